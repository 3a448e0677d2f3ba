"""Damaged copies of the sample files, all from one seed, for the door of the service."""

import random
from collections.abc import Iterator
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples" / "media"
HEADER_BYTES = 600
SIZES = (0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def sample_files() -> list[tuple[str, bytes]]:
    """The names and contents of all sample files."""
    return [(path.name, path.read_bytes()) for path in sorted(SAMPLES.iterdir()) if path.is_file()]


def damaged_files(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged files, each with the name of its sample and the changes."""
    chance = random.Random(seed)
    samples = sample_files()
    for _ in range(count):
        name, data = chance.choice(samples)
        changes = []
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            change = chance.choice(CHANGES)
            data = change(chance, data, chance.choice(samples)[1]) or b"\0"
            changes.append(change.__name__)
        yield f"{name} {' '.join(changes)}", data


def _place(chance: random.Random, data: bytes) -> int:
    """Mostly in the header or at the end, where the header of some MP4s is."""
    if chance.random() < 0.4:
        return chance.randrange(min(HEADER_BYTES, len(data)))
    return (
        max(0, len(data) - 1 - chance.randrange(HEADER_BYTES)) if chance.random() < 0.5 else chance.randrange(len(data))
    )


def set_byte(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """Replaces one byte, mostly by an extreme value."""
    at = _place(chance, data)
    return data[:at] + bytes([chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))]) + data[at + 1 :]


def set_size(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """Replaces four bytes by a number that may be read as a size."""
    at = _place(chance, data)
    return data[:at] + chance.choice(SIZES).to_bytes(4, chance.choice(("big", "little"))) + data[at + 4 :]


def cut(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """The beginning of the file."""
    return data[: _place(chance, data)]


def remove(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """Removes some bytes, so that all later offsets are wrong."""
    at = _place(chance, data)
    return data[:at] + data[at + chance.choice((1, 4, 16, 100)) :]


def repeat(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """Repeats some bytes."""
    at, size = _place(chance, data), chance.choice((4, 16, 200))
    return data[:at] + data[at : at + size] * chance.choice((2, 3, 40)) + data[at + size :]


def splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """The start of one file and the end of another."""
    return data[: _place(chance, data)] + other[_place(chance, other) :]


def zero(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """Sets some bytes to zero."""
    at, size = _place(chance, data), chance.choice((4, 32, 400))
    return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]


CHANGES = (set_byte, set_byte, set_size, set_size, cut, remove, repeat, splice, zero)
