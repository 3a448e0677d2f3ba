"""Signed links to one object: HMAC-SHA256 over key, expiry time and file name."""

import hashlib
import hmac
import json
from urllib.parse import quote, urlencode


def sign_path(secret: bytes, key: str, expires_at: int, filename: str) -> str:
    """Returns the path `/files/{key}?…` of a link that is valid until `expires_at` (unix seconds)."""
    query = {"expires": expires_at, "filename": filename, "signature": _signature(secret, key, expires_at, filename)}
    return f"/files/{quote(key)}?{urlencode(query)}"


def is_signed(secret: bytes, key: str, expires_at: int, filename: str, signature: str, now: float) -> bool:
    """Whether this service signed the link and it has not expired."""
    expected = _signature(secret, key, expires_at, filename)
    return hmac.compare_digest(expected.encode(), signature.encode()) and now < expires_at


def _signature(secret: bytes, key: str, expires_at: int, filename: str) -> str:
    message = json.dumps([key, expires_at, filename]).encode()  # different triples have different messages
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
