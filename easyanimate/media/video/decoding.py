"""Decodes the shown track of a file packet by packet; what cannot be decoded is skipped and counted."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import Any

import av
from av.codec.context import ThreadType

from easyanimate.media.video.container import OpenVideo

PROGRESSIVE = (0, 1)  # field orders of FFmpeg: unknown and progressive
Decoded = tuple[Fraction, Any]  # the time stamp in seconds, and the frame


class TrackDecoder:
    """The decoder of an open video. `lost` holds the time stamps, in ticks, of the frames that were not decoded."""

    def __init__(self, video: OpenVideo, *, threads: int = 0) -> None:
        """`threads` is the number of threads, 0 for one per core."""
        self.lost: set[int] = set()
        self._video = video
        self._codec = _decoder(video)
        if not self._codec.is_open:
            self._codec.thread_type = ThreadType.SLICE
            self._codec.thread_count = threads
        self._has_times = video.name != "avi"  # its packets have the times of decoding only
        # VP8 has packets without a frame, and a packet of interlaced video can hold half a frame.
        is_progressive = int(self._codec.field_order) in PROGRESSIVE and video.name != "mpegts"
        self._counts_missing = self._has_times and is_progressive and video.codec != "vp8"

    def frames(self, start_s: Fraction | None = None, margin_s: Fraction = Fraction(0)) -> Iterator[Decoded]:
        """The frames in the order of showing. With `start_s`, from the keyframe before it on, or the start.

        Keyframes are located by decoding time, which is up to `margin_s` before the time of showing.
        """
        if start_s is not None and self._seek(start_s - margin_s):
            frames = self._decode(start_s)
            first = next(frames, None)
            if first is not None and first[0] <= start_s:
                yield first
                yield from frames
                return
        rewind(self._video)
        self._codec.flush_buffers()
        yield from self._decode(start_s)

    def _seek(self, time_s: Fraction) -> bool:
        """Seeks to the keyframe at or before `time_s`; False if there is none."""
        stream = self._video.stream
        if time_s <= 0:
            return False
        try:
            self._video.container.seek(int(time_s / stream.time_base), stream=stream)
        except av.error.FFmpegError:
            return False
        self._codec.flush_buffers()
        return True

    def _decode(self, start_s: Fraction | None) -> Iterator[Decoded]:
        """Decodes from the current place to the end. Frames before `start_s` are not counted as lost."""
        tick = self._video.stream.time_base
        pending: set[int] = set()  # times of packets whose frames have not come yet
        begin, last = (start_s or 0) / tick, Fraction(0)
        for packet in chain(read_packets(self._video), [None]):
            for frame in self._frames_of(packet, pending, begin):
                ticks = _first(frame.pts, frame.dts) if self._has_times else min(pending, default=None)
                if ticks is not None:
                    last = ticks * tick
                    self._count(pending, ticks, begin)
                yield last, frame
        self._lose(pending, begin)

    def _frames_of(self, packet: Any, pending: set[int], begin: Fraction) -> list[Any]:
        """The frames that come after `packet`, None for the end; an undecodable packet is skipped."""
        time = None if packet is None else _first(packet.pts, packet.dts)
        if time is not None:
            pending.add(time)
        try:
            return list(self._codec.decode(packet))
        except (av.error.FFmpegError, ValueError):
            if time is not None and time >= begin:
                self.lost.add(time)
            pending.discard(time)
            return []

    def _count(self, pending: set[int], shown: int, begin: Fraction) -> None:
        """Frames before the one that is `shown` will not come any more."""
        late = {time for time in pending if time < shown}
        self._lose(late, begin)
        self.lost.discard(shown)
        pending -= late | {shown}

    def _lose(self, times: set[int], begin: Fraction) -> None:
        if self._counts_missing:
            self.lost |= {time for time in times if time >= begin}


def rewind(video: OpenVideo) -> None:
    """Returns to the first packet of the file."""
    start = min(0, video.stream.start_time or 0)
    with suppress(av.error.FFmpegError):  # a file in which FFmpeg cannot seek was read no further than its header
        video.container.seek(start, stream=video.stream, backward=True)


def read_packets(video: OpenVideo) -> Iterator[Any]:
    """The packets of the track from the current place on. Where the file cannot be read further, it ends."""
    with suppress(av.error.FFmpegError, ValueError):
        for packet in video.container.demux(video.stream):
            if packet.size:
                yield packet


def _decoder(video: OpenVideo) -> Any:
    """The decoder of the stream. FFmpeg's own of VP8 and VP9 skip the transparency of WebM."""
    context = video.stream.codec_context
    if video.stream.metadata.get("alpha_mode") != "1" or video.codec not in ("vp8", "vp9"):
        return context
    codec: Any = av.CodecContext.create("libvpx-vp9" if video.codec == "vp9" else "libvpx", "r")
    codec.extradata = context.extradata
    return codec


def _first(*times: int | None) -> int | None:
    return next((time for time in times if time is not None), None)
