"""The format of a file by its first bytes, and the sentences for formats that cannot be used.

The module needs the standard library only. File names and declared types are not used.
"""

from dataclasses import dataclass
from typing import Literal

FileKind = Literal["image", "video", "other"]

IMAGE_NAMES = "PNG, JPEG, WebP, still GIF, HEIC or AVIF"
VIDEO_NAMES = "MP4, MOV, WebM, MKV, AVI or MPEG-TS"
SAVE_IMAGE = "save it as PNG or JPEG"
_NAMES: dict[FileKind, str] = {"image": f"an image ({IMAGE_NAMES})", "video": f"a video ({VIDEO_NAMES})"}
CONVERT_VIDEO = "ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p OUT.mp4 converts it"
SEND_MEDIA = "send an image or a video"


@dataclass(frozen=True)
class FileFormat:
    """A file format. `remedy` is empty for formats that are read, else it says what to send instead."""

    name: str
    kind: FileKind
    extension: str = ""
    media_type: str = ""
    remedy: str = ""

    @property
    def is_read(self) -> bool:
        """Whether files of this format are accepted."""
        return not self.remedy


PNG = FileFormat("PNG", "image", "png", "image/png")
JPEG = FileFormat("JPEG", "image", "jpg", "image/jpeg")
WEBP = FileFormat("WebP", "image", "webp", "image/webp")
GIF = FileFormat("GIF", "image", "gif", "image/gif")
HEIC = FileFormat("HEIC", "image", "heic", "image/heic")
AVIF = FileFormat("AVIF", "image", "avif", "image/avif")
MP4 = FileFormat("MP4", "video", "mp4", "video/mp4")
MOV = FileFormat("MOV", "video", "mov", "video/quicktime")
WEBM = FileFormat("WebM", "video", "webm", "video/webm")
MKV = FileFormat("MKV", "video", "mkv", "video/x-matroska")
AVI = FileFormat("AVI", "video", "avi", "video/x-msvideo")
MPEG_TS = FileFormat("MPEG-TS", "video", "ts", "video/mp2t")
READ_FORMATS = (PNG, JPEG, WEBP, GIF, HEIC, AVIF, MP4, MOV, WEBM, MKV, AVI, MPEG_TS)

_RAW_PHOTO = FileFormat("camera raw", "image", remedy=SAVE_IMAGE)
_AUDIO = FileFormat("audio", "other", remedy=SEND_MEDIA)

# (bytes, their place in the file, format); the first one that matches counts
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", 0, PNG),
    (b"\xff\xd8\xff", 0, JPEG),
    (b"GIF87a", 0, GIF),
    (b"GIF89a", 0, GIF),
    (b"WEBP", 8, WEBP),
    (b"AVI ", 8, AVI),
    (b"WAVE", 8, _AUDIO),
    (b"\xff\x0a", 0, FileFormat("JPEG XL", "image", remedy=SAVE_IMAGE)),
    (b"\0\0\0\x0cJXL ", 0, FileFormat("JPEG XL", "image", remedy=SAVE_IMAGE)),
    (b"\0\0\0\x0cjP  ", 0, FileFormat("JPEG 2000", "image", remedy=SAVE_IMAGE)),
    (b"\xff\x4f\xff\x51", 0, FileFormat("JPEG 2000", "image", remedy=SAVE_IMAGE)),
    (b"II*\0\x10\0\0\0CR", 0, _RAW_PHOTO),
    (b"FUJIFILMCCD-RAW", 0, _RAW_PHOTO),
    (b"II*\0", 0, FileFormat("TIFF", "image", remedy=SAVE_IMAGE)),
    (b"MM\0*", 0, FileFormat("TIFF", "image", remedy=SAVE_IMAGE)),
    (b"II+\0", 0, FileFormat("TIFF", "image", remedy=SAVE_IMAGE)),
    (b"BM", 0, FileFormat("BMP", "image", remedy=SAVE_IMAGE)),
    (b"8BPS", 0, FileFormat("PSD", "image", remedy=SAVE_IMAGE)),
    (b"\0\0\1\0", 0, FileFormat("ICO", "image", remedy=SAVE_IMAGE)),
    (b"qoif", 0, FileFormat("QOI", "image", remedy=SAVE_IMAGE)),
    (b"DDS ", 0, FileFormat("DDS", "image", remedy=SAVE_IMAGE)),
    (b"\x76\x2f\x31\x01", 0, FileFormat("OpenEXR", "image", remedy=SAVE_IMAGE)),
    (b"#?RADIANCE", 0, FileFormat("Radiance HDR", "image", remedy=SAVE_IMAGE)),
    (b"FLV", 0, FileFormat("FLV", "video", remedy=CONVERT_VIDEO)),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, FileFormat("WMV", "video", remedy=CONVERT_VIDEO)),
    (b"\0\0\1\xba", 0, FileFormat("MPEG", "video", remedy=CONVERT_VIDEO)),
    (b"\0\0\1\xb3", 0, FileFormat("MPEG", "video", remedy=CONVERT_VIDEO)),
    (b"OggS", 0, FileFormat("Ogg", "video", remedy=CONVERT_VIDEO)),
    (b".RMF", 0, FileFormat("RealMedia", "video", remedy=CONVERT_VIDEO)),
    (b"#EXTM3U", 0, FileFormat("HLS playlist", "other", remedy="send the video itself")),
    (b"DKIF", 0, FileFormat("IVF", "video", remedy=CONVERT_VIDEO)),
    (b"YUV4MPEG", 0, FileFormat("Y4M", "video", remedy=CONVERT_VIDEO)),
    (b"\x06\x0e\x2b\x34", 0, FileFormat("MXF", "video", remedy=CONVERT_VIDEO)),
    (b"\0\0\0\x01", 0, FileFormat("H.264 without a container", "video", remedy=CONVERT_VIDEO)),
    (b"%PDF", 0, FileFormat("PDF", "other", remedy=SEND_MEDIA)),
    (b"PK\x03\x04", 0, FileFormat("ZIP", "other", remedy="unpack it, and " + SEND_MEDIA)),
    (b"\x1f\x8b", 0, FileFormat("gzip", "other", remedy="unpack it, and " + SEND_MEDIA)),
    (b"ID3", 0, _AUDIO),
    (b"fLaC", 0, _AUDIO),
)
_SVG = FileFormat("SVG", "image", remedy=SAVE_IMAGE)
_HTML = FileFormat("HTML", "other", remedy="send the file itself, not a page that shows it")

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_OTHER_BRANDS = {b"crx ": _RAW_PHOTO, b"M4A ": _AUDIO, b"M4B ": _AUDIO, b"qt  ": MOV}
_QUICKTIME_BOXES = frozenset(
    {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"uuid"}
)  # of files without `ftyp`
_MPEG_TS_PACKETS = ((0, 188), (4, 192))  # place and distance of their first bytes
_SEARCHED_BYTES = 512  # for words such as <svg


def detect_format(data: bytes) -> FileFormat | None:
    """The format of the file that starts with `data`, or None for unknown bytes; 512 bytes are enough."""
    if data[4:8] == b"ftyp":  # before the signatures, since the size of a box can look like one
        return _of_brands(data)
    if data[4:8] in _QUICKTIME_BOXES:
        return MOV
    for signature, start, file_format in _SIGNATURES:
        if data.startswith(signature, start):
            return file_format
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in data[:64] else MKV
    if any(data[start : start + 2 * step : step] == b"GG" for start, step in _MPEG_TS_PACKETS):
        return MPEG_TS
    return _of_words(data[:_SEARCHED_BYTES].lower())


def _of_brands(data: bytes) -> FileFormat:
    """The format of a file of ISO media boxes, by its major brand and, for general brands, the compatible ones."""
    size = int.from_bytes(data[:4], "big")
    major, others = data[8:12], data[16 : min(size, _SEARCHED_BYTES)]
    brands = {major, *(others[i : i + 4] for i in range(0, len(others), 4))}
    if major in _AVIF_BRANDS or (major in (b"mif1", b"msf1") and brands & _AVIF_BRANDS):
        return AVIF
    if major in _HEIF_BRANDS:
        return HEIC
    return _OTHER_BRANDS.get(major, MP4)


def _of_words(start: bytes) -> FileFormat | None:
    if b"<svg" in start:
        return _SVG
    return _HTML if b"<html" in start or b"<!doctype html" in start else None


def explain_unusable(data: bytes, *kinds: FileKind) -> str | None:
    """Why the file that starts with `data` is no input of these `kinds`, or None if it is one.

    The sentence continues the name of a field, as in "is a file of the format TIFF; save it as PNG or JPEG".
    """
    names = " or ".join(_NAMES[kind] for kind in kinds)
    if not data:
        return f"is empty; send the bytes of a file: {names}"
    file_format = detect_format(data)
    if file_format is None:
        return f"must be {names}; these bytes are none of them"
    if not file_format.is_read:
        return f"is a file of the format {file_format.name}; {file_format.remedy}"
    if file_format.kind not in kinds:
        return f"is a file of the format {file_format.name}; send {names}"
    return None
