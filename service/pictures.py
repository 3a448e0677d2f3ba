"""Where the start picture of a request is: in a file part, or in a data: URL."""

from base64 import b64decode
from typing import Any

from jobs.errors import InvalidRequest
from service.fields import Fields
from service.multipart import Upload
from service.strict_json import read_json

NAMES = ("image", "input_reference")
WORKS = "send the picture as a file part of multipart/form-data, or as a data:image/png;base64,… URL"


def picture_of(fields: Fields) -> tuple[str, bytes] | None:
    """The name of the field that holds the picture, and its bytes. Raises InvalidRequest."""
    given = [name for name in NAMES if fields.get(name) is not None]
    if not given:
        return None
    if len(given) > 1:
        raise InvalidRequest("image and input_reference are two names of one thing; give one", "image")
    return given[0], _bytes_of(fields.get(given[0]), given[0])


def _bytes_of(value: Any, param: str) -> bytes:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = read_json(value, param)
    if isinstance(value, dict):
        inner = Fields(value, param)
        inner.refuse_unknown(("image_url", "file_id"))
        value = inner.get("image_url") if inner.get("file_id") is None else None
        param = inner.param("image_url")
    if isinstance(value, Upload):
        return value.data
    if isinstance(value, str) and value[:5].lower() == "data:":
        return _decoded(value, param)
    raise InvalidRequest(
        f"{param}: links and file ids do not work in this version; {WORKS}", param, "unsupported_image"
    )


def _decoded(url: str, param: str) -> bytes:
    header, comma, content = url.partition(",")
    try:
        if not comma or not header.lower().endswith(";base64"):
            raise ValueError("it is not base64")
        return b64decode(content.encode("ascii"), validate=True)
    except ValueError as error:
        message = f"{param} is not a valid data: URL ({error}); {WORKS}"
        raise InvalidRequest(message, param, "unsupported_image") from error
