"""Reads the image and video inputs of a request: file parts, data: URLs, links and uploaded files."""

from dataclasses import dataclass, field
from typing import Any

from jobs.errors import InvalidRequest
from service.http.body import parse_json
from service.http.fields import validate
from service.http.forms import FormFile
from service.inputs.data_url import decode_data_url
from service.inputs.kinds import IMAGE, VIDEO, InputKind
from service.inputs.media import DecodedImage, MediaReader
from service.inputs.remote import RemoteFetcher
from service.inputs.uploads import UploadService, is_file_id
from service.schemas.request_model import MAX_NAME_CHARS
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.parts import ImageReference, VideoReference

IMAGE_FILES = {"image": "image.png", "input_reference": "image.png", "last_image": "last_image.png", "mask": "mask.png"}
VIDEO_FILE = "video.mp4"


@dataclass(frozen=True)
class InputImages:
    """The images of a request, by the names of their files in storage."""

    decoded: dict[str, DecodedImage] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """The contents of the files: RGB PNGs."""
        return {name: image.png for name, image in self.decoded.items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was changed in them."""
        return tuple(warning for image in self.decoded.values() for warning in image.warnings)

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of an image in pixels."""
        return self.decoded[name].width, self.decoded[name].height


@dataclass(frozen=True)
class InputResolver:
    """Reads the inputs of one caller's requests."""

    owner: str
    fetcher: RemoteFetcher
    uploads: UploadService
    media: MediaReader

    def read_image(self, value: Any, param: str) -> bytes:
        """The bytes of an image. Raises InvalidRequest, ApiError."""
        value = parse_reference(value, param)
        if not isinstance(value, dict):
            return self._read(value, param, IMAGE)
        reference = validate(ImageReference, value, param)
        return self._read_reference(reference.image_url, reference.file_id, param, IMAGE)

    def read_video(self, value: Any, param: str) -> bytes:
        """The bytes of a video. Raises InvalidRequest, ApiError."""
        if not isinstance(value, VideoReference):
            return self._read(value, param, VIDEO)
        return self._read_reference(value.video_url, value.file_id, param, VIDEO)

    def _read_reference(self, url: Any, file_id: str | None, param: str, kind: InputKind) -> bytes:
        if (url is None) == (file_id is None):
            message = f"{param} needs one of {kind.url_field} and file_id"
            raise InvalidRequest(message, param, reason="one_reference")
        if file_id is not None:
            return self.uploads.read(self.owner, file_id, f"{param}.file_id", kind)
        return self._fetch(url, f"{param}.{kind.url_field}", kind)

    def _read(self, value: Any, param: str, kind: InputKind) -> bytes:
        if isinstance(value, FormFile):
            return value.data
        if is_file_id(value):
            return self.uploads.read(self.owner, value[:MAX_NAME_CHARS], param, kind)
        return self._fetch(value, param, kind)

    def _fetch(self, url: Any, param: str, kind: InputKind) -> bytes:
        if isinstance(url, list):
            raise InvalidRequest(f"{param} is a list; send one {kind.noun}", param, kind.unsupported)
        scheme = url.partition(":")[0].strip().lower() if isinstance(url, str) else ""
        if scheme == "data":
            return decode_data_url(url, param, kind)
        if scheme in ("http", "https"):  # the fetcher refuses http with the reason
            return self.fetcher.fetch(self.owner, url, param, kind)
        message = f"{param} is none of: a file part of multipart/form-data, an https link, the id of a file, "
        raise InvalidRequest(f"{message}a data:{kind.media_type};base64,… URL", param, kind.unsupported)


def parse_reference(value: Any, param: str) -> Any:
    """An input as an object, if it is one sent as JSON text; else unchanged. Raises InvalidRequest."""
    return parse_json(value, param) if isinstance(value, str) and value.lstrip().startswith("{") else value


def read_images(body: CreateVideo, resolver: InputResolver) -> InputImages:
    """The images of a request, decoded and checked. Raises InvalidRequest, ApiError."""
    decoded = {}
    for name, file in IMAGE_FILES.items():
        if (value := getattr(body, name)) is not None:
            read = resolver.media.read_mask if name == "mask" else resolver.media.read_image
            decoded[file] = read(resolver.read_image(value, name), name)
    return InputImages(decoded)
