"""What a request brings along: pictures and a video, each sent with it, linked to, or sent ahead as a file."""

from base64 import b64decode
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from jobs.errors import InvalidRequest
from service.http.body import read_json
from service.http.fields import Fields
from service.http.forms import FormFile
from service.inputs.images import ImageDecoder
from service.inputs.kinds import IMAGE, InputKind
from service.inputs.remote import RemoteFetcher
from service.inputs.uploads import UploadService, is_file_id

IMAGE_NAMES = ("image", "input_reference")
IMAGE_FILES = {"image": "image.png", "last_image": "last_image.png", "mask": "mask.png"}
VIDEO_FILE = "video.mp4"
MAX_ID_CHARS = 100


@dataclass(frozen=True)
class InputImages:
    """`pictures` are RGB PNGs by the names of their files."""

    pictures: dict[str, bytes]

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of a picture in pixels."""
        with Image.open(BytesIO(self.pictures[name])) as image:
            return image.size


@dataclass(frozen=True)
class InputResolver:
    """Finds the bytes of one caller's inputs, whichever way they come."""

    owner: str
    links: RemoteFetcher
    shelf: UploadService

    def read(self, value: Any, param: str, kind: InputKind) -> bytes:
        """The bytes of a file part, a data: URL, an https link, or a file sent ahead. Raises InvalidRequest, ApiError.

        The last two may also stand in an object, as {"image_url": …} and {"file_id": …}.
        """
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = read_json(value, param)
        if isinstance(value, dict):
            return self._named(Fields(value, param), kind)
        if isinstance(value, FormFile):
            return value.data
        if is_file_id(value):
            return self.shelf.read(self.owner, value[:MAX_ID_CHARS], param, kind)
        return self._at(value, param, kind)

    def _named(self, reference: Fields, kind: InputKind) -> bytes:
        reference.refuse_unknown((kind.url_field, "file_id"))
        url, file_id = reference.get(kind.url_field), reference.text("file_id", MAX_ID_CHARS)
        if (url is None) == (file_id is None):
            raise InvalidRequest(f"{reference.path} needs one of {kind.url_field} and file_id", reference.path)
        if file_id is not None:
            return self.shelf.read(self.owner, file_id, reference.param("file_id"), kind)
        return self._at(url, reference.param(kind.url_field), kind)

    def _at(self, url: Any, param: str, kind: InputKind) -> bytes:
        scheme = url.partition(":")[0].lower() if isinstance(url, str) else ""
        if scheme == "data":
            return _decoded(url, param, kind)
        if scheme in ("http", "https"):  # http is refused with the reason where links are checked
            return self.links.fetch(self.owner, url, param, kind)
        message = f"{param} is none of: a file part of multipart/form-data, an https link, the id of a file, "
        raise InvalidRequest(f"{message}a data:{kind.media_type};base64,… URL", param, kind.unsupported)


def read_images(fields: Fields, images: ImageDecoder, door: InputResolver) -> InputImages:
    """The pictures in these fields, decoded and checked. Raises InvalidRequest, ApiError."""
    found = {"image": image_name(fields), "last_image": "last_image", "mask": "mask"}
    given = {name: param for name, param in found.items() if param and fields.get(param) is not None}
    return InputImages(
        {
            IMAGE_FILES[name]: images.to_png(door.read(fields.get(param), param, IMAGE), param)
            for name, param in given.items()
        }
    )


def image_name(fields: Fields) -> str | None:
    """Which of its two names the start image is sent under. Raises InvalidRequest if both are."""
    given = [name for name in IMAGE_NAMES if fields.get(name) is not None]
    if len(given) > 1:
        raise InvalidRequest("image and input_reference are two names of one thing; give one", "image")
    return given[0] if given else None


def _decoded(url: str, param: str, kind: InputKind) -> bytes:
    header, comma, content = url.partition(",")
    try:
        if not comma or not header.lower().endswith(";base64"):
            raise ValueError("it is not base64")
        return b64decode(content.encode("ascii"), validate=True)
    except ValueError as error:
        message = f"{param} is not a valid data: URL ({error}); send data:{kind.media_type};base64,…"
        raise InvalidRequest(message, param, kind.unsupported) from error
