"""Random numbers that depend on a key only, so that a resumed training draws the same values."""

import hashlib
from random import Random

import torch


def random_at(*key: int | str) -> Random:
    """Python's random numbers for a key, such as seed, step and process."""
    return Random(_number(key))  # noqa: S311  not a secret


def generator_at(*key: int | str) -> torch.Generator:
    """torch's random numbers for a key, on the CPU."""
    return torch.Generator().manual_seed(_number(key))


def seed_torch(*key: int | str) -> None:
    """Seeds the random numbers of torch on every device, for example those of dropout."""
    torch.manual_seed(_number(key))


def _number(key: tuple[int | str, ...]) -> int:
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big") >> 1
