"""Verification of webhooks (https://www.standardwebhooks.com)."""

import binascii
import hashlib
import hmac
import json
import time
from base64 import b64decode
from collections.abc import Mapping, Sequence

from easyanimate_client.decoding import decode
from easyanimate_client.errors import WebhookVerificationFailed
from easyanimate_client.records import WebhookEvent

PREFIX = "whsec_"
TOLERANCE_S = 300.0
MIN_KEY_BYTES = 24
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def verify_webhook(
    body: str | bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> WebhookEvent:
    """The event of a webhook of the service.

    `body` is the body as received. `secrets` is one secret, or several while one is rotated. The timestamp may differ
    from `now` (unix seconds, by default the clock) by `tolerance_s`. Raises WebhookVerificationFailed.
    """
    content = body.encode() if isinstance(body, str) else body
    event_id, stamp, signatures = _signed(headers)
    _check_time(stamp, time.time() if now is None else now, tolerance_s)
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    signed = f"{event_id}.{stamp}.".encode() + content
    expected = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    received = [_signature(part) for part in signatures.split()]
    if not any(hmac.compare_digest(one, other) for one in expected for other in received):
        raise WebhookVerificationFailed("no signature of the webhook is valid")
    return decode(WebhookEvent, json.loads(content))


def _signed(headers: Mapping[str, str]) -> tuple[str, str, str]:
    """Id, timestamp and signatures of a webhook; names of headers have any case."""
    lower = {name.lower(): value for name, value in headers.items()}
    if missing := [name for name in HEADERS if not lower.get(name)]:
        raise WebhookVerificationFailed(f"the webhook has no header {missing[0]}")
    return lower[HEADERS[0]], lower[HEADERS[1]], lower[HEADERS[2]]


def _check_time(stamp: str, now: float, tolerance_s: float) -> None:
    if not (stamp.isascii() and stamp.isdigit()):
        raise WebhookVerificationFailed("the timestamp of the webhook is no number")
    if abs(now - int(stamp)) > tolerance_s:
        raise WebhookVerificationFailed("the timestamp of the webhook is too old or too new")


def _key(secret: str) -> bytes:
    """The key of a secret. An empty one is refused, since anybody could sign with it. Raises ValueError."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is whsec_ and base64") from error
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"a secret has at least {MIN_KEY_BYTES} bytes, not {len(key)}")
    return key


def _signature(part: str) -> bytes:
    """The bytes of one `v1,…`; empty for other versions and for text that is no base64."""
    version, _, text = part.partition(",")
    try:
        return b64decode(text, validate=True) if version == "v1" else b""
    except ValueError:
        return b""
