"""Containers, codecs and tracks: which ones are read, and which track is shown."""

import struct
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.describe import describe_video
from tests.unit.media.video.boxes import box, content, replaced, with_track_flags
from tests.unit.media.video.clips import QUADRANTS, SAMPLES, bars, quadrants, read, scene, written

EVEN = np.arange(16) / 16


@pytest.mark.parametrize(
    ("container", "codec", "settings"),
    [
        ("mp4", "libx265", {"options": {"x265-params": "log-level=none:pools=none"}}),
        ("mp4", "mpeg4", {"options": {"bf": "2", "b": "4M"}}),
        ("mp4", "libsvtav1", {"options": {"preset": "12", "svtav1-params": "lp=1"}}),
        ("mov", "prores_ks", {"pixel_format": "yuv422p10le"}),
        ("mov", "qtrle", {"pixel_format": "rgb24"}),
        ("mov", "mjpeg", {"pixel_format": "yuvj420p"}),
        ("webm", "libvpx", {"options": {"b": "1M"}}),
        ("webm", "libvpx-vp9", {"options": {"b": "1M"}}),
        ("matroska", "libx264", {"options": {"bf": "2"}}),
        ("matroska", "ffv1", {}),
        ("avi", "libx264", {"options": {"bf": "2"}}),
        ("avi", "mjpeg", {"pixel_format": "yuvj420p"}),
        ("avi", "mpeg4", {"options": {"bf": "2", "b": "4M"}}),
        ("mpegts", "libx264", {"options": {"bf": "2"}}),
        ("mpegts", "mpeg2video", {"options": {"b": "4M"}}),
    ],
)
def test_usual_codecs_and_containers_are_read(container: str, codec: str, settings: dict[str, Any]) -> None:
    description, frames, num_lost = read(written(container, codec, **settings))

    assert (description.container, description.num_frames, num_lost) == (container, 48, 0)
    assert description.duration == 2
    assert bars(frames) == pytest.approx(EVEN, abs=0.012)
    assert np.abs(quadrants(frames[-1]) - QUADRANTS).max() < 6


@pytest.mark.parametrize(
    "movflags",
    ["frag_keyframe+empty_moov", "frag_keyframe", "frag_keyframe+delay_moov", "dash+global_sidx", "faststart"],
)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_an_mp4_in_fragments_is_read_whole(movflags: str, b_frames: int) -> None:
    options = {"bf": str(b_frames), "g": "12"}
    description, frames, num_lost = read(written(options=options, container_options={"movflags": movflags}))

    assert (description.num_frames, description.frame_rate, num_lost) == (48, 24, 0)
    assert bars(frames) == pytest.approx(EVEN, abs=0.012)


def test_a_fragment_that_is_not_complete_ends_the_video() -> None:
    data = written(options={"g": "12"}, container_options={"movflags": "frag_keyframe+empty_moov"})
    description, frames, num_lost = read(data[: data.rindex(b"moof") - 30])  # in the last frame of the one before

    assert (description.num_frames, len(frames), num_lost) == (35, 12, 1)


def two_tracks(*flags: int) -> bytes:
    """An MP4 with two video tracks, the first one black, with the flags of each."""
    target = BytesIO()
    with av.open(target, "w", format="mp4") as output:
        streams: list[Any] = [output.add_stream("libx264", rate=24, width=192, height=96) for _ in range(2)]
        for number in range(48):
            for stream, brightness in zip(streams, (0, 1), strict=True):
                frame = av.VideoFrame.from_ndarray(scene(number / 48) * np.uint8(brightness), format="rgb24")
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    return with_track_flags(target.getvalue(), *flags)


def test_a_disabled_track_is_not_shown() -> None:
    description, frames, _ = read(two_tracks(0, 1))

    assert description.stream_index == 1
    assert bars(frames) == pytest.approx(EVEN, abs=0.012)


def test_of_two_enabled_tracks_the_first_one_is_shown() -> None:
    description, frames, _ = read(two_tracks(3, 3))

    assert description.stream_index == 0
    assert frames.max() < 8


@pytest.mark.parametrize("reference", [b"auxl", b"vdep", b"thmb"])
def test_a_depth_map_or_thumbnail_track_is_not_shown(reference: bytes) -> None:
    data = two_tracks(3, 3)
    track = replaced(content(data, b"moov", b"trak"), [b"tref"], box(reference, struct.pack(">I", 2)))
    description, _, _ = read(replaced(data, [b"moov", b"trak"], track))

    assert description.stream_index == 1


def test_a_file_without_its_video_track_is_refused() -> None:
    target = BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        silence.sample_rate = 44100
        output.mux([*stream.encode(silence), *stream.encode(None)])
    with pytest.raises(UnsupportedMedia, match="has no video track"):
        describe_video(target)


OTHERS = {
    b"GIF89a" + bytes(20): "is a GIF",
    b"\x89PNG\r\n": "is a PNG",
    b"FLV\x01": "is a Flash video",
    b"OggS" + bytes(20): "is an Ogg file",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "is a Windows Media video",
    b"\0\0\x01\xba" + bytes(20): "is an MPEG program stream",
    b"#EXTM3U\nhttp://10.0.0.1/": "is a playlist",
    b"\0\0\0\x18ftypheic": "is a picture in HEIC",
    b"\0\0\0\x18ftypavif": "is a picture in AVIF",
    b"ffconcat version 1.0\nfile /etc/passwd": "must be an MP4",
    b"": "is empty",
    b"\0\0\0\x14ftypisom\0\0\0\0mp42": "has no header: it was cut off",
}


@pytest.mark.parametrize("data", OTHERS)
def test_what_is_not_read_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match=OTHERS[data]):
        describe_video(BytesIO(data))


def test_a_codec_that_is_not_read_is_refused_by_name() -> None:
    data = written("avi", "flv", pixel_format="yuv420p")
    with pytest.raises(UnsupportedMedia, match="flv1"):
        describe_video(BytesIO(data))


def test_an_mp4_of_a_tagger_with_cover_art_in_front_is_read() -> None:
    with (SAMPLES / "v_coverfirst.mp4").open("rb") as file:
        assert describe_video(file).codec == "h264"
