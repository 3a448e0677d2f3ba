"""Standard Webhooks: the headers that let a receiver check who sent an event."""

from base64 import b64decode
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from jobs.errors import InvalidRequest

PREFIX = "whsec_"


def signed_headers(secret: str, delivery_id: str, body: str, now: float) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` and `webhook-signature` for this try. `now` in unix seconds."""
    stamp = datetime.fromtimestamp(int(now), UTC)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": Webhook(secret).sign(delivery_id, stamp, body),
    }


def check_secret(secret: str) -> None:
    """Refuse a secret that no verifier would take. Raises InvalidRequest."""
    try:
        usable = secret.startswith(PREFIX) and 24 <= len(b64decode(secret.removeprefix(PREFIX), validate=True)) <= 64
    except ValueError:
        usable = False
    if not usable:
        message = "webhook.secret must be whsec_ followed by the base64 of 24 to 64 random bytes"
        raise InvalidRequest(message, "webhook.secret")
