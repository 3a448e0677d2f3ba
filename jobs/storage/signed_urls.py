"""Signed links to one object: HMAC-SHA256 over key, expiry time and file name."""

import hashlib
import hmac
import json
from urllib.parse import quote, urlencode


def sign_path(secret: bytes, key: str, expires_at: int, filename: str) -> str:
    """Returns the path `/files/{key}?…` of a link that is valid until `expires_at` (unix seconds)."""
    signature = signature_of(secret, key, expires_at, filename)
    query = {"expires": expires_at, "filename": filename, "signature": signature}
    return f"/files/{quote(key)}?{urlencode(query)}"


def is_signed(secret: bytes, key: str, expires_at: int, filename: str, signature: str, now: float) -> bool:
    """Whether this service signed the link and it has not expired."""
    return is_signature(signature, secret, key, expires_at, filename) and now < expires_at


def signature_of(secret: bytes, *values: str | int) -> str:
    """Returns the signature of these values, as hexadecimal digits."""
    message = json.dumps(values).encode()  # different values have different messages
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def is_signature(signature: str, secret: bytes, *values: str | int) -> bool:
    """Whether the signature is that of these values; the comparison takes the same time for each wrong one."""
    return hmac.compare_digest(signature_of(secret, *values).encode(), signature.encode())


def parse_expiry(text: str) -> int | None:
    """Returns the unix second in the text of a link, or None if it is not one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
