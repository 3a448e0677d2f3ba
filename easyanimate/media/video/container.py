"""Opens a video file and picks the track that a player shows.

The format is recognized here and given to FFmpeg by name: its own detection also accepts playlists, which name other
files and addresses. For the same reason FFmpeg may open no second file, and only the decoders listed here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import SEEK_END
from typing import Any, BinaryIO, NoReturn

import av
from av.stream import Disposition

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.mp4_boxes import Movie, Mp4Track, read_movie

CONVERT = "ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p OUT.mp4 writes an MP4"
READ = "MP4, MOV, WebM, MKV, AVI or MPEG transport stream"
CODECS = (
    *("h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "h263", "mjpeg", "mjpegb"),
    *("prores", "dnxhd", "cfhd", "qtrle", "png", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo"),
    *("msmpeg4v3", "msmpeg4v2", "cinepak", "svq3", "magicyuv", "v210"),
)
DECODERS = (*CODECS, "libdav1d", "libvpx", "libvpx-vp9")
MIN_READABLE_SHARE = 0.9  # of the frames or bytes of a file; players show as little
SEGMENT = b"\x18\x53\x80\x67"  # the element of Matroska that holds everything
MAX_PIXELS = 2**26  # of a frame; 8192x8192
NOT_SHOWN = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
MP4_TOP_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"uuid")
STILL_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF"}
OTHERS = (  # offset, bytes, name
    *((0, b"GIF8", "a GIF"), (0, b"\x89PNG", "a PNG"), (0, b"\xff\xd8\xff", "a JPEG"), (8, b"WEBP", "a WebP picture")),
    *((0, b"FLV", "a Flash video"), (0, b"OggS", "an Ogg file"), (0, b"\x30\x26\xb2\x75", "a Windows Media video")),
    *((0, b"\0\0\x01\xba", "an MPEG program stream"), (0, b"\0\0\x01\xb3", "an MPEG stream without a container")),
    *(
        (0, b"#EXTM3U", "a playlist"),
        (0, b".RMF", "a RealMedia video"),
        (0, b"\0\0\0\x01", "H.264 without a container"),
    ),
    *((0, b"DKIF", "an IVF file"), (0, b"YUV4MPEG", "a Y4M file"), (0, b"\x06\x0e\x2b\x34", "an MXF file")),
)


@dataclass(frozen=True)
class OpenVideo:
    """An open file with the stream that is shown. `movie` and `track` are the boxes of an MP4 or MOV."""

    name: str  # mp4, mov, webm, matroska, avi, mpegts
    container: Any
    stream: Any
    movie: Movie | None = None
    track: Mp4Track | None = None

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, whichever decoder is used."""
        return str(self.stream.codec_context.codec.canonical_name)


@contextmanager
def open_video(file: BinaryIO) -> Iterator[OpenVideo]:
    """Opens the video in `file`, which must allow seeking. Raises UnsupportedMedia for what cannot be used."""
    name = recognize(file)
    movie = read_movie(file) if name in ("mp4", "mov") else None
    _check_complete(name, file)
    file.seek(0)
    try:
        container: Any = av.open(
            file,
            format={"mp4": "mov", "webm": "matroska"}.get(name, name),
            options={"ignore_editlist": "1", "codec_whitelist": ",".join(DECODERS), "max_pixels": str(MAX_PIXELS)},
            io_open=_open_no_other,
        )
    except (av.error.FFmpegError, ValueError, MemoryError, EOFError) as error:
        raise UnsupportedMedia("has a damaged header, or none; export it again") from error
    with container:
        yield _shown(name, container, movie)


def recognize(file: BinaryIO) -> str:
    """The name of the container, by the first bytes. Raises UnsupportedMedia, by name, for what is not read."""
    file.seek(0)
    head = file.read(512)
    if head[4:8] in MP4_TOP_BOXES:
        return _mp4_or_mov(head)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm" if b"webm" in head[:64] else "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if any(head[start : start + 2 * step : step] == b"GG" for start, step in ((0, 188), (4, 192))):
        return "mpegts"
    for offset, start, name in OTHERS:
        if head[offset:].startswith(start):
            raise UnsupportedMedia(f"is {name}; send an {READ}; {CONVERT}")
    if not head:
        raise UnsupportedMedia("is empty; send the whole file")
    raise UnsupportedMedia(f"must be an {READ}, and these bytes are none; {CONVERT}")


def _mp4_or_mov(head: bytes) -> str:
    if head[4:8] != b"ftyp":
        return "mov"
    if head[8:12] in STILL_BRANDS:
        name = STILL_BRANDS[head[8:12]]
        raise UnsupportedMedia(f"is a picture in {name}; send it as an image, in PNG, JPEG or WebP")
    return "mov" if head[8:12] == b"qt  " else "mp4"


def _check_complete(name: str, file: BinaryIO) -> None:
    """Refuses a file that lacks much of what its first bytes declare. An MP4 is checked frame by frame later."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    head = file.read(512)
    declared = {"avi": _avi_size, "matroska": _matroska_size, "webm": _matroska_size}.get(name, lambda _: 0)(head)
    if size < MIN_READABLE_SHARE * declared:
        raise UnsupportedMedia(f"is cut off; send the complete file, which has {declared} bytes")


def _avi_size(head: bytes) -> int:
    return int.from_bytes(head[4:8], "little") + 8


def _matroska_size(head: bytes) -> int:
    """The end of the segment behind the EBML header, or 0 if the writer did not know it."""
    header, length = _ebml_size(head, 4)
    begin = 4 + length + header
    segment, length = _ebml_size(head, begin + 4)
    is_unknown = segment == 2 ** (7 * length) - 1
    return 0 if is_unknown or head[begin : begin + 4] != SEGMENT else begin + 4 + length + segment


def _ebml_size(head: bytes, place: int) -> tuple[int, int]:
    """A size of 1 to 8 bytes, whose number is in the zeros of the first one, and that number."""
    first = head[place] if place < len(head) else 0
    length = 9 - max(first.bit_length(), 1)
    return int.from_bytes(head[place : place + length], "big") & (2 ** (7 * length) - 1), length


def _open_no_other(*_: Any) -> NoReturn:
    raise UnsupportedMedia("names another file that holds its frames; send one file with everything in it")


def _shown(name: str, container: Any, movie: Movie | None) -> OpenVideo:
    streams = [stream for stream in container.streams.video if not stream.disposition & NOT_SHOWN]
    if movie is None:
        by_default = sorted(streams, key=lambda stream: not stream.disposition & Disposition.default)
        if not by_default:
            raise UnsupportedMedia("has no video track; send a video")
        return OpenVideo(name, container, _readable(by_default[0]))
    pairs = [(stream, movie.track(stream.id)) for stream in streams]
    pairs = [(stream, track) for stream, track in pairs if track.handler == b"vide" and not track.is_auxiliary]
    if not pairs:
        raise UnsupportedMedia("has no video track; send a video")
    stream, track = min(pairs, key=lambda pair: not pair[1].is_enabled)
    return OpenVideo(name, container, _readable(stream), movie, track)


def _readable(stream: Any) -> Any:
    context = stream.codec_context
    if context is None:
        raise UnsupportedMedia(f"has a codec that is not read; {CONVERT}")
    if context.codec.canonical_name not in CODECS:
        raise UnsupportedMedia(f"has the codec {context.codec.canonical_name}, which is not read; {CONVERT}")
    if context.width * context.height > MAX_PIXELS:
        size = f"{context.width}x{context.height}"
        raise UnsupportedMedia(f"is {size}; at most {MAX_PIXELS} pixels per frame are read, so send a smaller one")
    return stream
