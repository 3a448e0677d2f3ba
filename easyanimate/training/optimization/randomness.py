"""Randomness that is a function of place, not of history: a resumed training draws what the uninterrupted one drew."""

import hashlib
from random import Random

import torch


def random_at(*place: int | str) -> Random:
    """Python's random numbers for this place: seed, step, process and whatever else tells places apart."""
    return Random(_number(place))  # noqa: S311  not a secret


def generator_at(*place: int | str) -> torch.Generator:
    """torch's random numbers for this place, on the CPU."""
    return torch.Generator().manual_seed(_number(place))


def seed_torch(*place: int | str) -> None:
    """What torch draws by itself from here on, as for dropout, is a function of this place, on every device."""
    torch.manual_seed(_number(place))


def _number(place: tuple[int | str, ...]) -> int:
    return int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:8], "big") >> 1
