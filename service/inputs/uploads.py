"""Uploaded files: inspected and stored at the upload, read when a request names them."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import PurePath

from jobs.errors import FileNotFound, InvalidRequest
from jobs.storage.interface import Storage
from jobs.storage.uploads import FILE_PREFIX, Upload, UploadIndex, new_file_id, upload_prefix
from service.http.errors import ApiError
from service.http.forms import FormFile
from service.inputs.kinds import IMAGE, VIDEO, InputKind
from service.inputs.media import MediaReader, check_file_format

MAX_NAME_CHARS = 255


@dataclass(frozen=True)
class _Inspection:
    """The properties of a file, from its first bytes and its header."""

    kind: str
    extension: str
    width: int
    height: int


class UploadService:
    """Stores, lists, reads and deletes uploads. A caller may have `max_files`; `clock` returns unix seconds."""

    def __init__(
        self, index: UploadIndex, storage: Storage, media: MediaReader, clock: Callable[[], float], max_files: int
    ) -> None:
        self.index = index
        self.storage = storage
        self.media = media
        self.clock = clock
        self.max_files = max_files

    def store(self, owner: str, upload: FormFile, purpose: str, lifetime_s: int) -> Upload:
        """Inspects and stores a file. Raises InvalidRequest, ApiError `too_many_files`, StorageUnavailable."""
        inspection = _inspect(upload.data, self.media)
        if self.index.count(owner) >= self.max_files:
            message = f"you have {self.max_files} files, the maximum; delete some, or wait until some expire"
            raise ApiError("too_many_files", message)
        now = self.clock()
        file = Upload(
            id=new_file_id(),
            owner=owner,
            filename=_plain_name(upload.filename) or f"upload.{inspection.extension}",
            purpose=purpose,
            size_bytes=len(upload.data),
            content_sha256=hashlib.sha256(upload.data).hexdigest(),
            created_at=now,
            expires_at=now + lifetime_s,
            **asdict(inspection),
        )
        self.index.announce(file.id, now)
        self.storage.put_bytes(file.key, upload.data)
        self.index.add(file)
        return file

    def get(self, owner: str, file_id: str) -> Upload:
        """The caller's file. Raises FileNotFound."""
        return self.index.get_owned(file_id, owner, self.clock())

    def listed(self, owner: str, *, newest_first: bool) -> list[Upload]:
        """All files of the caller, by time of upload."""
        return self.index.listed(owner, self.clock(), newest_first=newest_first)

    def read(self, owner: str, file_id: str, param: str, kind: InputKind) -> bytes:
        """The content of a caller's file. Raises ApiError `file_not_found`, InvalidRequest for another kind."""
        try:
            file = self.get(owner, file_id)
            data = b"".join(self.storage.read(file.key, 0, file.size_bytes))
        except FileNotFound as error:
            raise ApiError("file_not_found", str(error), param) from error
        except KeyError as error:
            message = f"the content of {file_id} is no longer stored; upload it again"
            raise ApiError("file_not_found", message, param) from error
        if file.kind != kind.kind:
            raise InvalidRequest(f"{param} names a {file.kind}; a {kind.kind} is needed", param, kind.unsupported)
        return data

    def remove(self, owner: str, file_id: str) -> None:
        """Deletes a caller's file. Raises FileNotFound, StorageUnavailable."""
        self.get(owner, file_id)
        self.storage.delete_prefix(upload_prefix(file_id))  # before the record, so that a failed call can be repeated
        self.index.delete(file_id)


def _inspect(data: bytes, media: MediaReader) -> _Inspection:
    file_format = check_file_format(data)
    if file_format.kind == "video":
        video = media.read_video(data, "file")
        return _Inspection(VIDEO.kind, file_format.extension, video.width, video.height)
    image = media.read_image(data, "file")
    return _Inspection(IMAGE.kind, file_format.extension, image.width, image.height)


def is_file_id(value: object) -> bool:
    """Whether a value of a request has the form of a file id."""
    return isinstance(value, str) and value.startswith(FILE_PREFIX)


def _plain_name(filename: str) -> str:
    """The last part of a file name, without unprintable characters."""
    name = PurePath(filename.replace("\\", "/")).name
    return "".join(letter for letter in name if letter.isprintable())[:MAX_NAME_CHARS]
