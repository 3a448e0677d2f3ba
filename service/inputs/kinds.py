"""The kinds of inputs, with their names in requests and errors."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InputKind:
    """`kind` is the name in the API; `url_field` names the link in an object, as in {"image_url": …}."""

    kind: str
    noun: str
    media_type: str
    url_field: str
    unsupported: str
    fetch_failed: str


IMAGE = InputKind("picture", "image", "image/png", "image_url", "unsupported_image", "image_fetch_failed")
VIDEO = InputKind("video", "video", "video/mp4", "video_url", "unsupported_video", "video_fetch_failed")
CHECKED_FILE = InputKind("file", "file", "", "", "unsupported_file", "")  # of which only the marks are read
