"""The two kinds of input there are, and what each is called in requests and refusals."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InputKind:
    """`url_field` names the address inside an object, as in {"image_url": …}."""

    noun: str
    media_type: str
    url_field: str
    unsupported: str
    fetch_failed: str


IMAGE = InputKind("picture", "image/png", "image_url", "unsupported_image", "image_fetch_failed")
VIDEO = InputKind("video", "video/mp4", "video_url", "unsupported_video", "video_fetch_failed")
