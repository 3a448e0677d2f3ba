"""Images and videos in requests, and request bodies as JSON or as a form."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NotRequired, Required, TypedDict, cast
from urllib.parse import quote

from easyanimate_client import bodies
from easyanimate_client.records import File, Video


class VideoById(TypedDict):
    """A completed video of yours."""

    id: str


class FileById(TypedDict):
    """An uploaded file."""

    file_id: str


class ImageByUrl(TypedDict):
    """An https link or a `data:` URL of an image."""

    image_url: str


class VideoByUrl(TypedDict):
    """An https link or a `data:` URL of an MP4."""

    video_url: str


Content = bytes | os.PathLike[str] | BinaryIO
"""Bytes to upload: themselves, a path, or an open binary file."""

ImageInput = Content | str | File | FileById | ImageByUrl
"""An image: content to upload, or text: an https link, the id of an uploaded file, or a `data:` URL."""

VideoInput = Content | str | File | Video | VideoById | FileById | VideoByUrl
"""A source video: as an image, or a completed video of yours as its record or its id `video_…`."""


class CreateVideo(bodies.CreateVideoFields):
    """A request for a new video."""

    image: NotRequired[ImageInput]
    input_reference: NotRequired[ImageInput]
    last_image: NotRequired[ImageInput]
    video: NotRequired[VideoInput]
    mask: NotRequired[ImageInput]


class EditVideo(bodies.EditVideoFields):
    """A request to change a video, or with a mask one region of it."""

    video: Required[VideoInput]
    mask: NotRequired[ImageInput]


class ExtendVideo(bodies.ExtendVideoFields):
    """A request to continue a video."""

    video: Required[VideoInput]
    last_image: NotRequired[ImageInput]


FilePart = tuple[str, bytes]


class Body:
    """The body of a request; it can be sent several times. `files` are the file parts, by the name of the field."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        values = {name: value for name, value in fields.items() if value is not None}
        self.files = {name: _part(value) for name, value in values.items() if _is_content(value)}
        self.fields = {name: _reference(value) for name, value in values.items() if name not in self.files}

    def options(self) -> dict[str, Any]:
        """The arguments of httpx: JSON without files, else a form whose nested values are JSON."""
        if not self.files:
            return {"json": self.fields}
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in self.fields.items()}
        return {"data": texts, "files": self.files}


def route(template: str, *values: str) -> str:
    """The path of a route; each `{}` is replaced by one value, quoted. Raises ValueError for an empty value."""
    for value in values:
        if value in ("", ".", ".."):
            raise ValueError(f"{value!r} is no id")
    return template.format(*(quote(value, safe="") for value in values))


def _is_content(value: object) -> bool:
    return isinstance(value, bytes | bytearray | memoryview | os.PathLike) or hasattr(value, "read")


def _part(value: Any) -> FilePart:
    """File name and bytes of a file part."""
    if isinstance(value, os.PathLike):
        path = Path(value)
        return path.name, path.read_bytes()
    if isinstance(value, bytes | bytearray | memoryview):
        return "file", bytes(value)
    content = value.read()
    if not isinstance(content, bytes):
        raise TypeError("open the file in binary mode")
    return Path(str(getattr(value, "name", "file"))).name, content


def _reference(value: Any) -> Any:
    """The JSON of a field: records and ids of videos as `{"id": …}`, files by their id."""
    if isinstance(value, Video):
        return {"id": value.id}
    return value.id if isinstance(value, File) else value


def source_video(value: VideoInput) -> VideoInput:
    """A source video; the text `video_…` is the id of a video."""
    if isinstance(value, str) and value.startswith("video_"):
        return cast(VideoById, {"id": value})
    return value
