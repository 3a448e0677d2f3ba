"""The shelf of files that callers sent ahead: looked at when they come in, read when a request names them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath

from PIL import Image

from jobs.errors import FileNotFound, InvalidRequest
from jobs.storage.interface import Storage
from jobs.storage.uploads import FILE_PREFIX, Upload, UploadIndex, new_file_id, upload_prefix
from service.http.errors import ApiError
from service.http.forms import FormFile
from service.inputs.images import ImageDecoder, detect_format
from service.inputs.kinds import IMAGE, InputKind
from service.inputs.video_header import read_video_header

MAX_NAME_CHARS = 255
EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif"}


@dataclass(frozen=True)
class _Look:
    """What the first bytes of a file, and its header, tell."""

    kind: str
    extension: str
    width: int
    height: int


class UploadService:
    """`most` files a caller may have; `clock` says unix seconds."""

    def __init__(
        self, files: UploadIndex, storage: Storage, images: ImageDecoder, clock: Callable[[], float], most: int
    ) -> None:
        self.files = files
        self.storage = storage
        self.images = images
        self.clock = clock
        self.most = most

    def keep(self, owner: str, upload: FormFile, purpose: str, seconds: int) -> Upload:
        """Check and store a file for so long. Raises InvalidRequest, ApiError `too_many_files`, StorageUnavailable."""
        look = self._look(upload.data)
        if self.files.count(owner) >= self.most:
            raise ApiError("too_many_files", f"you have {self.most} files already; DELETE some, or wait for their end")
        now = self.clock()
        file = Upload(
            id=new_file_id(),
            owner=owner,
            filename=_plain_name(upload.filename) or f"upload.{look.extension}",
            purpose=purpose,
            kind=look.kind,
            extension=look.extension,
            size_bytes=len(upload.data),
            content_sha256=hashlib.sha256(upload.data).hexdigest(),
            width=look.width,
            height=look.height,
            created_at=now,
            expires_at=now + seconds,
        )
        self.files.announce(file.id, now)
        self.storage.put_bytes(file.key, upload.data)
        self.files.add(file)
        return file

    def get(self, owner: str, file_id: str) -> Upload:
        """The caller's file. Raises FileNotFound."""
        return self.files.get_owned(file_id, owner, self.clock())

    def listed(self, owner: str, *, newest_first: bool) -> list[Upload]:
        """All the caller's files, by time."""
        return self.files.listed(owner, self.clock(), newest_first=newest_first)

    def read(self, owner: str, file_id: str, param: str, kind: InputKind) -> bytes:
        """The content of a caller's file. Raises ApiError `file_not_found`, InvalidRequest if it is of another kind."""
        try:
            file = self.get(owner, file_id)
            data = b"".join(self.storage.read(file.key, 0, file.size_bytes))
        except FileNotFound as error:
            raise ApiError("file_not_found", str(error), param) from error
        except KeyError as error:
            raise ApiError("file_not_found", f"the content of {file_id} is gone; send it again", param) from error
        if file.kind != kind.noun:
            raise InvalidRequest(f"{param} names a {file.kind}; a {kind.noun} is needed", param, kind.unsupported)
        return data

    def remove(self, owner: str, file_id: str) -> None:
        """Erase a caller's file. Raises FileNotFound, StorageUnavailable."""
        self.get(owner, file_id)
        self.storage.delete_prefix(upload_prefix(file_id))  # before the record: after a failure it can be said again
        self.files.delete(file_id)

    def _look(self, data: bytes) -> _Look:
        if data[4:8] == b"ftyp":
            header = read_video_header(data, "file")
            return _Look("video", "mp4", *header.shown_size)
        form = detect_format(data)
        if form is None:
            message = "file must be a PNG, JPEG, WebP or still GIF picture, or an MP4 video; its bytes are none of them"
            raise InvalidRequest(message, "file", "unsupported_file")
        with Image.open(BytesIO(self.images.to_png(data, "file"))) as image:
            return _Look(IMAGE.noun, EXTENSIONS[form], image.width, image.height)


def is_file_id(value: object) -> bool:
    """Whether a text in a request is meant as the id of a file."""
    return isinstance(value, str) and value.startswith(FILE_PREFIX)


def _plain_name(filename: str) -> str:
    """The last part of a file name, without what has no place in one."""
    name = PurePath(filename.replace("\\", "/")).name
    return "".join(letter for letter in name if letter.isprintable())[:MAX_NAME_CHARS]
