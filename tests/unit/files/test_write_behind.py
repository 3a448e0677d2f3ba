"""A piece of a video is written while the next one is computed."""

from collections.abc import Iterator
from threading import Event

import pytest

from easyanimate.files.write_behind import write_behind

LIMIT_S = 240.0


def test_the_next_piece_is_computed_while_one_is_written() -> None:
    is_next_computed, written = Event(), list[int]()

    def pieces() -> Iterator[int]:
        yield 0
        is_next_computed.set()
        yield 1

    def write(piece: int) -> None:
        assert is_next_computed.wait(LIMIT_S)
        written.append(piece)

    write_behind(pieces(), write)
    assert written == [0, 1]


def test_at_most_one_piece_is_ahead_of_the_written_ones() -> None:
    written: list[int] = []

    def pieces() -> Iterator[int]:
        for piece in range(8):
            assert piece - len(written) <= 2  # one is written, one is computed
            yield piece

    write_behind(pieces(), written.append)
    assert written == list(range(8))


def test_an_error_of_the_writer_stops_the_video() -> None:
    computed: list[int] = []

    def pieces() -> Iterator[int]:
        for piece in range(100):
            computed.append(piece)
            yield piece

    def fail(_piece: int) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        write_behind(pieces(), fail)
    assert computed == [0, 1]


def test_an_error_of_the_pieces_comes_after_the_last_write() -> None:
    written: list[int] = []

    def pieces() -> Iterator[int]:
        yield 0
        raise ValueError("no frame")

    with pytest.raises(ValueError, match="no frame"):
        write_behind(pieces(), written.append)
    assert written == [0]
