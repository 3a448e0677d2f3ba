"""Describes a video as a player shows it, by its header, the times of its packets, and its first frame."""

from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from easyanimate.media.description import Edit, VideoDescription
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.color import code_points, color_tags, has_alpha
from easyanimate.media.video.container import CONVERT, MIN_READABLE_SHARE, OpenVideo, open_video
from easyanimate.media.video.decoding import TrackDecoder, read_packets
from easyanimate.media.video.mp4_boxes import IDENTITY, MAX_SAMPLES, Mp4Track
from easyanimate.media.video.timeline import FrameTimes, applied_edits, count_shown, whole_track

DOLBY_VISION_ALONE = (4, 5)  # profiles whose colours mean nothing to other decoders
MAX_RATE = 1000  # frames per second
MAX_PIXEL_ASPECT = 8
ROTATIONS = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 1, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 3}  # quarter turns clockwise
FIELD_ORDERS = {2: "top_first", 3: "bottom_first", 4: "bottom_first", 5: "top_first"}  # of FFmpeg, by what is shown


def describe_video(file: BinaryIO) -> VideoDescription:
    """Describes the video in `file`, open for reading bytes, with seeking. Raises UnsupportedMedia."""
    with open_video(file) as video:
        return describe_open_video(video, threads=1)


def describe_header(file: BinaryIO) -> VideoDescription:
    """The same by the header alone, without decoding a frame; the rotation of a Matroska file is not in it."""
    with open_video(file) as video:
        return _described(video, video.stream.codec_context)


def describe_open_video(video: OpenVideo, *, threads: int) -> VideoDescription:
    """Describes an open video, whose decoder gets `threads`, 0 for one per core. Raises UnsupportedMedia."""
    return _described(video, None, threads)


def _described(video: OpenVideo, image: Any, threads: int = 1) -> VideoDescription:
    """The description by an `image` with size, format and colour tags: a decoded frame, or the codec."""
    times = _frame_times(video)
    edits, rounding = _edits(video, times)
    if video.track is not None and video.track.dolby_vision_profile in DOLBY_VISION_ALONE:
        raise UnsupportedMedia("is Dolby Vision without a base layer, which is not read; export it as HDR10 or SDR")
    declared = code_points(video.stream.codec_context)  # of the container; some decoders replace them by their own
    image = _first_frame(video, threads) if image is None else image
    turns, aspect = _rotation(video, image), _pixel_aspect(video, image)
    width, height = max(1, round(image.width * aspect)), image.height
    if min(image.width, image.height) < 1:
        raise UnsupportedMedia("has a width or height of 0 pixels; export it again")
    description = VideoDescription(
        container=video.name,
        codec=video.codec,
        stream_index=video.stream.index,
        width=height if turns % 2 else width,
        height=width if turns % 2 else height,
        stored_width=image.width,
        stored_height=image.height,
        pixel_aspect=aspect,
        quarter_turns=turns,
        duration=sum((edit.duration_s for edit in edits), Fraction(0)),
        num_frames=count_shown(edits, times, rounding),
        colors=color_tags(image, code_points(image, declared)),
        field_order=_field_order(video, image),
        has_alpha=has_alpha(image),
        edits=edits,
        clock_error=times.clock_error,
    )
    if description.frame_rate > MAX_RATE:
        raise UnsupportedMedia(f"has {float(description.frame_rate):g} frames a second; at most {MAX_RATE} are read")
    return description


def _edits(video: OpenVideo, times: FrameTimes) -> tuple[tuple[Edit, ...], Fraction]:
    """What is shown, and the clock of its edit list, in seconds."""
    if video.movie is None or video.track is None:
        return whole_track(times), times.tick
    ticks_per_s, is_open = video.movie.ticks_per_s, video.movie.is_fragmented
    return applied_edits(video.track.edits, ticks_per_s, times, is_open=is_open), Fraction(1, ticks_per_s)


def _frame_times(video: OpenVideo) -> FrameTimes:
    """The time stamps of the track: from the tables of an MP4, else from all packets of the file."""
    if video.movie and video.track and not video.movie.is_fragmented:
        starts, lengths = _sample_times(video, video.track)
    else:
        starts, lengths = _packet_times(video)
    if len(starts) == 0:
        raise UnsupportedMedia("has no frame; send the whole file")
    order = np.argsort(starts, kind="stable")
    starts, lengths = starts[order], lengths[order]
    times = FrameTimes(starts, _end(video, starts, lengths), Fraction(video.stream.time_base))
    if times.end <= int(starts[0]):
        raise UnsupportedMedia("has no playing time; export it again")
    return times


def _end(video: OpenVideo, starts: np.ndarray, lengths: np.ndarray) -> Fraction:
    """The time in ticks when the last frame ends, also where the container does not say it, or rounds it."""
    first, tick, rate = int(starts[0]), Fraction(video.stream.time_base), video.stream.average_rate
    if video.movie is None and rate:
        ticks_per_frame = 1 / (rate * tick)
        even = first + np.arange(len(starts)) * float(ticks_per_frame)
        if np.abs(starts - even).max() <= 1:
            return first + len(starts) * ticks_per_frame
    if lengths[-1] > 0:
        return Fraction(int((starts + lengths).max()))
    return int(starts[-1]) + Fraction(_usual_interval(video, starts))


def _sample_times(video: OpenVideo, track: Mp4Track) -> tuple[np.ndarray, np.ndarray]:
    """The times of the samples that lie inside the file. Raises UnsupportedMedia if they are too few."""
    starts, lengths = track.sample_times()
    readable = sum(entry.pos + entry.size <= video.container.size for entry in video.stream.index_entries)
    if readable < MIN_READABLE_SHARE * len(starts):
        raise UnsupportedMedia(f"is cut off: it has {readable} of {len(starts)} frames; send the complete file")
    return starts[:readable], lengths[:readable]


def _packet_times(video: OpenVideo) -> tuple[np.ndarray, np.ndarray]:
    times: list[tuple[int, int]] = []
    for packet in read_packets(video):
        start = packet.dts if packet.pts is None else packet.pts
        if start is not None:
            times.append((start, packet.duration or 0))
        if len(times) > MAX_SAMPLES:
            raise UnsupportedMedia(f"has more than {MAX_SAMPLES} frames; send a part of it")
    starts, lengths = np.array(times, np.int64).reshape(-1, 2).T
    return starts, lengths


def _usual_interval(video: OpenVideo, starts: np.ndarray) -> int:
    """The distance of two frames in ticks, for the last one."""
    if len(starts) > 1:
        return max(1, int(np.median(np.diff(starts))))
    rate = video.stream.average_rate or video.stream.base_rate
    return max(1, round(1 / (rate * video.stream.time_base))) if rate else 0


def _first_frame(video: OpenVideo, threads: int) -> Any:
    try:
        for _, frame in TrackDecoder(video, threads=threads).frames():
            return frame
    except (av.error.FFmpegError, ValueError) as error:
        raise UnsupportedMedia(f"cannot be decoded; {CONVERT}") from error
    raise UnsupportedMedia(f"has no frame that can be decoded; {CONVERT}")


def _rotation(video: OpenVideo, image: Any) -> int:
    """The rotation of the display matrix; phones store frames in the orientation of the sensor."""
    a, b, _, c, d = _display_matrix(video, image)[:5]
    small = max(abs(value) for value in (a, b, c, d)) / 100
    turn = tuple((value > small) - (value < -small) for value in (a, b, c, d))
    if turn in ROTATIONS:
        return ROTATIONS[turn]
    if a * d - b * c < 0:
        raise UnsupportedMedia("is mirrored; send it upright")
    raise UnsupportedMedia("is rotated by no multiple of 90 degrees; send it upright")


def _display_matrix(video: OpenVideo, image: Any) -> tuple[float, ...]:
    if video.track is not None:
        return video.track.matrix
    if not isinstance(image, av.VideoFrame):
        return IDENTITY
    side_data: Any = image.side_data
    data = side_data.get(SideDataType.DISPLAYMATRIX)
    return IDENTITY if data is None else tuple(np.frombuffer(bytes(data), np.int32, 9).tolist())


def _pixel_aspect(video: OpenVideo, image: Any) -> Fraction:
    """Width over height of a pixel: by the file or its codec, else by the size in the header of the track."""
    aspect = video.stream.sample_aspect_ratio
    if not aspect or aspect <= 0:
        aspect = _aspect_of_track(video, image)
    if not Fraction(1, MAX_PIXEL_ASPECT) <= aspect <= MAX_PIXEL_ASPECT:
        raise UnsupportedMedia(f"has pixels of the shape {aspect.numerator}:{aspect.denominator}; send square ones")
    return Fraction(aspect)


def _aspect_of_track(video: OpenVideo, image: Any) -> Fraction:
    width, height = video.track.size if video.track else (0, 0)
    if width < 1 or height < 1:
        return Fraction(1)
    stored, shown = image.width / image.height, width / height
    if any(0.98 < shown / likely < 1.02 for likely in (stored, 1 / stored)):  # rounded, or turned by the writer
        return Fraction(1)
    return Fraction(shown / stored).limit_denominator(1000)


def _field_order(video: OpenVideo, image: Any) -> str:
    declared = FIELD_ORDERS.get(int(video.stream.codec_context.field_order), "progressive")
    is_interlaced = isinstance(image, av.VideoFrame) and image.interlaced_frame
    return "top_first" if is_interlaced and declared == "progressive" else declared
