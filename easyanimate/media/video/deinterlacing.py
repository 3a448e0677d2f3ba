"""Rebuilds the missing lines of interlaced frames, as players do."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import av
import av.filter

from easyanimate.media.video.decoding import Decoded

# One frame for each interlaced one. Progressive frames in between pass as they are.
BWDIF = "mode=send_frame:parity=auto:deint=interlaced"


def deinterlaced(frames: Iterator[Decoded]) -> Iterator[Decoded]:
    """The frames of a track; from the first interlaced one on, they pass the filter."""
    for time, frame in frames:
        if frame.interlaced_frame:
            yield from _filtered(frame, frames)
            return
        yield time, frame


def _filtered(first: Any, others: Iterator[Decoded]) -> Iterator[Decoded]:
    graph, kind = _graph(first), _kind(first)
    for frame in chain([first], (frame for _, frame in others)):
        if _kind(frame) != kind:  # a filter has one size and format
            graph.push(None)
            yield from _ready(graph)
            graph, kind = _graph(frame), _kind(frame)
        graph.push(frame)
        yield from _ready(graph)
    graph.push(None)
    yield from _ready(graph)


def _kind(frame: Any) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def _graph(first: Any) -> Any:
    graph: Any = av.filter.Graph()
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=first.time_base, name="source"
    )
    bwdif, sink = graph.add("bwdif", BWDIF), graph.add("buffersink")
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    return graph


def _ready(graph: Any) -> Iterator[Decoded]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        yield frame.pts * frame.time_base, frame
