"""Decodes `data:` URLs as programs really write them: with line breaks, URL-safe base64 or percent-encoding."""

import re
from base64 import b64decode
from urllib.parse import unquote_to_bytes

from jobs.errors import InvalidRequest
from service.inputs.kinds import InputKind

WHITESPACE = re.compile(rb"\s+")
URL_SAFE = bytes.maketrans(b"-_", b"+/")


def decode_data_url(url: str, param: str, kind: InputKind) -> bytes:
    """The content of a `data:` URL (RFC 2397). Its declared type is not used. Raises InvalidRequest."""
    header, comma, content = url.strip().partition(",")
    try:
        if not comma:
            raise ValueError("it has no comma")
        data = unquote_to_bytes(content.encode("ascii"))
        if header.replace(" ", "").lower().endswith(";base64"):
            return _from_base64(data)
        if "%" not in content:
            raise ValueError("it is not base64")
        return data
    except ValueError as error:
        message = f"{param} is not a valid data: URL ({error}); send data:{kind.media_type};base64,…"
        raise InvalidRequest(message, param, kind.unsupported) from error


def _from_base64(data: bytes) -> bytes:
    """Decodes base64 of both alphabets, with or without padding. Raises ValueError."""
    text = WHITESPACE.sub(b"", data).translate(URL_SAFE).rstrip(b"=")
    return b64decode(text + b"=" * (-len(text) % 4), validate=True)
