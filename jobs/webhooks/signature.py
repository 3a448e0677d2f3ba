"""Signatures of Standard Webhooks, with which a receiver verifies the sender of an event."""

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from jobs.errors import InvalidRequest

PREFIX = "whsec_"


def signed_headers(secrets: Sequence[str], event_id: str, body: str, now: float) -> dict[str, str]:
    """Returns `webhook-id`, `webhook-timestamp` and `webhook-signature`, with one signature per secret.

    `now` in unix seconds.
    """
    stamp = datetime.fromtimestamp(int(now), UTC)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, stamp, body) for secret in secrets),
    }


def check_secret(secret: str, param: str = "webhook.secret") -> None:
    """Refuses a secret that verifiers do not accept. Raises InvalidRequest."""
    try:
        usable = secret.startswith(PREFIX) and 24 <= len(b64decode(secret.removeprefix(PREFIX), validate=True)) <= 64
    except ValueError:
        usable = False
    if not usable:
        raise InvalidRequest(f"{param} must be whsec_ followed by the base64 of 24 to 64 random bytes", param)
