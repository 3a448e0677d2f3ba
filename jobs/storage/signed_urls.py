"""Links that open one thing for a while: HMAC-SHA256 over the key, the end of its time and the file name."""

import hashlib
import hmac
import json
from urllib.parse import quote, urlencode


def sign_path(secret: bytes, key: str, expires_at: int, filename: str) -> str:
    """`/files/{key}?…` for a link that is good until `expires_at` (unix seconds)."""
    query = {"expires": expires_at, "filename": filename, "signature": _signature(secret, key, expires_at, filename)}
    return f"/files/{quote(key)}?{urlencode(query)}"


def is_signed(secret: bytes, key: str, expires_at: int, filename: str, signature: str, now: float) -> bool:
    """Whether this service made the link and its time has not run out."""
    ours = _signature(secret, key, expires_at, filename)
    return hmac.compare_digest(ours.encode(), signature.encode()) and now < expires_at


def _signature(secret: bytes, key: str, expires_at: int, filename: str) -> str:
    message = json.dumps([key, expires_at, filename]).encode()  # no two triples have the same message
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
