"""Text in a finished MP4 or PNG, which is complete only after the last frame."""

import secrets
from pathlib import Path
from typing import Any

import av
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from easyanimate.errors import InvalidInput


def save_png(image: Image.Image, path: str | Path, comment: str) -> None:
    """Writes `image` with `comment` in it."""
    text = PngInfo()
    text.add_itxt("comment", comment)
    image.save(path, pnginfo=text)


def set_mp4_comment(path: str | Path, comment: str) -> None:
    """Writes `comment` into the MP4 at `path`; frames are copied without encoding, the file is replaced atomically."""
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with (
            av.open(str(path)) as source,
            av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}) as copy,
        ):
            copy.metadata["comment"] = comment
            stream = copy.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:  # the last packet only marks the end
                    packet.stream = stream
                    copy.mux(packet)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_comment(path: str | Path) -> str | None:
    """The comment of the MP4 or PNG at `path`, if any. InvalidInput if it is neither."""
    path = Path(path)
    read = _png_comment if path.suffix == ".png" else _mp4_comment
    return read(path)


def _png_comment(path: Path) -> str | None:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text: Any = image.info
            return text.get("comment")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as problem:
        raise InvalidInput(f"{path} is not an image that can be read: {problem}") from problem


def _mp4_comment(path: Path) -> str | None:
    try:
        with av.open(str(path)) as container:
            return container.metadata.get("comment")
    except (av.error.FFmpegError, OSError) as problem:
        raise InvalidInput(f"{path} is not a video that can be read: {problem.strerror}") from problem
