"""Formats by their first bytes, and the sentences for what cannot be used."""

import pytest

from easyanimate.media.formats import (
    AVI,
    AVIF,
    GIF,
    HEIC,
    JPEG,
    MKV,
    MOV,
    MP4,
    MPEG_TS,
    PNG,
    READ_FORMATS,
    WEBM,
    WEBP,
    FileFormat,
    detect_format,
    explain_unusable,
)


def boxes(brand: bytes, *others: bytes) -> bytes:
    content = b"ftyp" + brand + bytes(4) + b"".join(others)
    return (len(content) + 4).to_bytes(4, "big") + content


EBML = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84"


@pytest.mark.parametrize(
    ("data", "file_format"),
    [
        (b"\x89PNG\r\n\x1a\n", PNG),
        (b"\xff\xd8\xff\xe1", JPEG),
        (b"RIFF\0\0\0\0WEBPVP8 ", WEBP),
        (b"GIF89a", GIF),
        (boxes(b"heic", b"mif1", b"heic"), HEIC),
        (boxes(b"mif1", b"heic"), HEIC),
        (boxes(b"heix"), HEIC),
        (boxes(b"avif", b"mif1"), AVIF),
        (boxes(b"mif1", b"avif"), AVIF),
        (boxes(b"avis", b"msf1"), AVIF),
        (boxes(b"isom", b"iso2", b"avc1"), MP4),
        (boxes(b"3gp5"), MP4),
        (boxes(b"M4V "), MP4),
        (boxes(b"qt  "), MOV),
        (b"\0\0\0\x08wide\0\0\0\0mdat", MOV),
        (b"\0\0\x01\x00moov", MOV),
        (EBML + b"webm", WEBM),
        (EBML + b"matroska", MKV),
        (b"\0\0\0\x01mdat", MOV),
        (b"RIFF\0\0\0\0AVI LIST", AVI),
        (b"G" + bytes(187) + b"G" + bytes(187), MPEG_TS),
        (bytes(4) + b"G" + bytes(191) + b"G" + bytes(191), MPEG_TS),
    ],
)
def test_a_format_is_detected_by_its_first_bytes(data: bytes, file_format: FileFormat) -> None:
    assert detect_format(data) is file_format
    kind = file_format.kind
    assert explain_unusable(data, kind) is None
    other = "image" if kind == "video" else "video"
    reason = explain_unusable(data, other)
    assert reason is not None
    assert file_format.name in reason


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II*\0\x10\0\0\0CR\2\0", "camera raw"),
        (boxes(b"crx ", b"isom"), "camera raw"),
        (b"BM\x36\0", "BMP"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
        (b"8BPS", "PSD"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a\xfa", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\1\0\1\0", "ICO"),
        (b"FLV\1", "FLV"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMV"),
        (b"\0\0\1\xba", "MPEG"),
        (b"#EXTM3U\n", "HLS playlist"),
        (b"DKIF", "IVF"),
        (b"OggS", "Ogg"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\3\4", "ZIP"),
        (b"ID3\4", "audio"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio"),
        (boxes(b"M4A "), "audio"),
        (b"<!DOCTYPE html>\n<html>", "HTML"),
    ],
)
def test_a_format_that_is_not_read_is_refused_by_name_with_what_would_work(data: bytes, name: str) -> None:
    for kind in ("image", "video"):
        reason = explain_unusable(data, kind)
        assert reason is not None
        assert reason.startswith(f"is a file of the format {name}; ")
        assert reason.split("; ")[1]


@pytest.mark.parametrize("data", [b"hello", b"\0" * 600, b"G", b"\x89PNG"])
def test_unknown_bytes_are_refused_with_all_accepted_formats(data: bytes) -> None:
    reason = explain_unusable(data, "image", "video")
    assert reason is not None
    assert all(file_format.name in reason for file_format in READ_FORMATS)


def test_an_empty_file_is_refused() -> None:
    assert "is empty" in str(explain_unusable(b"", "image"))
