"""Describes a video as a player shows it. Only its header and first frame are decoded."""

from fractions import Fraction
from os import SEEK_END
from typing import Any, BinaryIO

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from easyanimate.media.description import VideoDescription
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.color import color_tags, has_alpha
from easyanimate.media.video.container import CONVERT, OpenVideo, open_video
from easyanimate.media.video.decoding import TrackDecoder, read_packets
from easyanimate.media.video.mp4_boxes import IDENTITY, MAX_SAMPLES, Track
from easyanimate.media.video.timeline import FrameTimes, applied_edits, count_shown, whole_track

MAX_RATE = 1000  # frames per second
MIN_READABLE_SHARE = 0.9  # of the frames of a file, as in players
MAX_PIXEL_ASPECT = 8
TURNS = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 1, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 3}  # quarter turns clockwise
FIELD_ORDERS = {2: "top_first", 3: "bottom_first", 4: "bottom_first", 5: "top_first"}  # of FFmpeg, by what is shown


def describe_video(file: BinaryIO) -> VideoDescription:
    """Describes the video in `file`, open for reading bytes, with seeking. Raises UnsupportedMedia."""
    with open_video(file) as video:
        return describe_open_video(video, file)


def describe_open_video(video: OpenVideo, file: BinaryIO) -> VideoDescription:
    """Describes an open video; afterwards its packets can be read from the start. Raises UnsupportedMedia."""
    times = _frame_times(video, file)
    if video.movie is None or video.track is None:
        edits, rounding = whole_track(times), times.tick
    else:
        rounding = Fraction(1, video.movie.ticks_per_s)
        ticks_per_s, is_open = video.movie.ticks_per_s, video.movie.is_fragmented
        edits = applied_edits(video.track.edits, ticks_per_s, times, is_open=is_open)
    frame = _first_frame(video)
    turns, aspect = _quarter_turns(video, frame), _pixel_aspect(video, frame)
    width, height = max(1, round(frame.width * aspect)), frame.height
    description = VideoDescription(
        container=video.name,
        codec=video.codec,
        stream_index=video.stream.index,
        width=height if turns % 2 else width,
        height=width if turns % 2 else height,
        stored_width=frame.width,
        stored_height=frame.height,
        pixel_aspect=aspect,
        quarter_turns=turns,
        duration=sum((edit.duration_s for edit in edits), Fraction(0)),
        num_frames=count_shown(edits, times, rounding),
        colors=color_tags(frame),
        field_order=_field_order(video, frame),
        has_alpha=has_alpha(frame),
        edits=edits,
        clock_error=times.clock_error,
    )
    if description.frame_rate > MAX_RATE:
        raise UnsupportedMedia(f"has {float(description.frame_rate):g} frames a second; at most {MAX_RATE} are read")
    return description


def _frame_times(video: OpenVideo, file: BinaryIO) -> FrameTimes:
    """The time stamps of the track: from the tables of an MP4, else from all packets of the file."""
    if video.movie and video.track and not video.movie.is_fragmented:
        starts, lengths = _sample_times(video, video.track, file)
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


def _sample_times(video: OpenVideo, track: Track, file: BinaryIO) -> tuple[np.ndarray, np.ndarray]:
    """The times of the samples that lie inside the file. Raises UnsupportedMedia if they are too few."""
    starts, lengths = track.sample_times()
    file_bytes = file.seek(0, SEEK_END)
    readable = sum(entry.pos + entry.size <= file_bytes for entry in video.stream.index_entries)
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


def _first_frame(video: OpenVideo) -> Any:
    try:
        for _, frame in TrackDecoder(video, threads=1).frames():
            return frame
    except (av.error.FFmpegError, ValueError) as error:
        raise UnsupportedMedia(f"cannot be decoded; {CONVERT}") from error
    raise UnsupportedMedia(f"has no frame that can be decoded; {CONVERT}")


def _quarter_turns(video: OpenVideo, frame: Any) -> int:
    """The rotation of the display matrix; phones store frames in the orientation of the sensor."""
    a, b, _, c, d = _display_matrix(video, frame)[:5]
    small = max(abs(value) for value in (a, b, c, d)) / 100
    turn = tuple((value > small) - (value < -small) for value in (a, b, c, d))
    if turn in TURNS:
        return TURNS[turn]
    if a * d - b * c < 0:
        raise UnsupportedMedia("is mirrored; send it upright")
    raise UnsupportedMedia("is rotated by no multiple of 90 degrees; send it upright")


def _display_matrix(video: OpenVideo, frame: Any) -> tuple[float, ...]:
    if video.track is not None:
        return video.track.matrix
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    return IDENTITY if data is None else tuple(np.frombuffer(bytes(data), np.int32, 9).tolist())


def _pixel_aspect(video: OpenVideo, frame: Any) -> Fraction:
    """Width over height of a pixel: by the file or its codec, else by the size in the header of the track."""
    aspect = video.stream.sample_aspect_ratio
    if not aspect or aspect <= 0:
        aspect = _aspect_of_track(video, frame)
    if not Fraction(1, MAX_PIXEL_ASPECT) <= aspect <= MAX_PIXEL_ASPECT:
        raise UnsupportedMedia(f"has pixels of the shape {aspect.numerator}:{aspect.denominator}; send square ones")
    return Fraction(aspect)


def _aspect_of_track(video: OpenVideo, frame: Any) -> Fraction:
    width, height = video.track.size if video.track else (0, 0)
    if width < 1 or height < 1:
        return Fraction(1)
    stored, shown = frame.width / frame.height, width / height
    if any(0.98 < shown / likely < 1.02 for likely in (stored, 1 / stored)):  # rounded, or turned by the writer
        return Fraction(1)
    return Fraction(shown / stored).limit_denominator(1000)


def _field_order(video: OpenVideo, frame: Any) -> str:
    declared = FIELD_ORDERS.get(int(video.stream.codec_context.field_order), "progressive")
    return declared if declared != "progressive" or not frame.interlaced_frame else "top_first"
