"""What a request brings along: pictures and a video, each from a file part, a data: URL, or a finished video."""

from base64 import b64decode
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from jobs.errors import InvalidRequest
from service.fields import Fields
from service.images import ImageDoor
from service.multipart import Upload
from service.strict_json import read_json

IMAGE_NAMES = ("image", "input_reference")
PICTURE_FILES = {"image": "image.png", "last_image": "last_image.png", "mask": "mask.png"}
VIDEO_FILE = "video.mp4"


@dataclass(frozen=True)
class Inputs:
    """`pictures` are RGB PNGs by the names of their files."""

    pictures: dict[str, bytes]

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of a picture in pixels."""
        with Image.open(BytesIO(self.pictures[name])) as image:
            return image.size


def read_pictures(fields: Fields, images: ImageDoor) -> Inputs:
    """The pictures in these fields, decoded and checked. Raises InvalidRequest."""
    found = {"image": image_name(fields), "last_image": "last_image", "mask": "mask"}
    given = {name: param for name, param in found.items() if param and fields.get(param) is not None}
    return Inputs(
        {PICTURE_FILES[name]: images.to_png(_picture(fields.get(param), param), param) for name, param in given.items()}
    )


def image_name(fields: Fields) -> str | None:
    """Which of its two names the start image is sent under. Raises InvalidRequest if both are."""
    given = [name for name in IMAGE_NAMES if fields.get(name) is not None]
    if len(given) > 1:
        raise InvalidRequest("image and input_reference are two names of one thing; give one", "image")
    return given[0] if given else None


def read_upload(value: Any, param: str, code: str, kind: str) -> bytes:
    """The bytes of a file part or a data: URL; `kind` says what to send instead, as in "picture, image/png"."""
    what, media_type = kind.split(", ")
    works = f"send the {what} as a file part of multipart/form-data, or as a data:{media_type};base64,… URL"
    if isinstance(value, Upload):
        return value.data
    if isinstance(value, str) and value[:5].lower() == "data:":
        return _decoded(value, param, code, works)
    raise InvalidRequest(f"{param}: links and file ids do not work in this version; {works}", param, code)


def _picture(value: Any, param: str) -> bytes:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = read_json(value, param)
    if isinstance(value, dict):
        inner = Fields(value, param)
        inner.refuse_unknown(("image_url", "file_id"))
        value = inner.get("image_url") if inner.get("file_id") is None else None
        param = inner.param("image_url")
    return read_upload(value, param, "unsupported_image", "picture, image/png")


def _decoded(url: str, param: str, code: str, works: str) -> bytes:
    header, comma, content = url.partition(",")
    try:
        if not comma or not header.lower().endswith(";base64"):
            raise ValueError("it is not base64")
        return b64decode(content.encode("ascii"), validate=True)
    except ValueError as error:
        raise InvalidRequest(f"{param} is not a valid data: URL ({error}); {works}", param, code) from error
