"""What there is of a video besides the video: pictures of it, and where they lie."""

from enum import StrEnum


class Variant(StrEnum):
    """What `GET /v1/videos/{id}/content` gives."""

    VIDEO = "video"
    THUMBNAIL = "thumbnail"
    SPRITESHEET = "spritesheet"
    PREVIEW = "preview"
    MANIFEST = "manifest"


# The files that lie beside a result. Of a preview there is one, the latest; it lies where its attempt puts a result.
FILES = {
    Variant.THUMBNAIL: "thumbnail.webp",
    Variant.SPRITESHEET: "spritesheet.jpg",
    Variant.PREVIEW: "preview.webp",
    Variant.MANIFEST: "manifest.json",
}
PICTURES = (FILES[Variant.THUMBNAIL], FILES[Variant.SPRITESHEET])


def beside(result_key: str, name: str) -> str:
    """The key of a file that lies beside a result."""
    return f"{result_key.rpartition('/')[0]}/{name}"
