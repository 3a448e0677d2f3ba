"""The random numbers of one request: one CPU generator from the seed, so that all devices use the same numbers."""

import secrets
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.arguments import describe, single_value, to_python

MAX_SEED = 2**63 - 1


class Draws:
    """Standard normal numbers, float32 and on the CPU, in the order of the calls."""

    def __init__(self, generator: torch.Generator) -> None:
        """InvalidInput if `generator` is not on the CPU: other devices draw other numbers from the same seed."""
        if generator.device.type != "cpu":
            raise InvalidInput(f"the generator must be on the CPU, not on {generator.device}; pass a seed instead")
        self.generator = generator

    @classmethod
    def of(cls, source: Any) -> "Draws":
        """The draws of a seed in 0..2**63 - 1 or of a generator, or of a list of one; None draws a random seed."""
        source = single_value(source, "generator", "one call generates one clip, so pass one generator")
        if isinstance(source, Draws):
            return source
        return cls(source) if isinstance(source, torch.Generator) else cls.from_seed(source)

    @classmethod
    def from_seed(cls, seed: int | None) -> Self:
        """The draws of `seed`; None draws a random one."""
        seed = secrets.randbelow(2**31) if seed is None else to_python(seed)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise InvalidInput(f"generator must be a torch.Generator or an integer as the seed, got {describe(seed)}")
        if not 0 <= seed <= MAX_SEED:
            got = seed if seed.bit_length() < 100 else "a larger one"
            raise InvalidInput(f"seed must be between 0 and {MAX_SEED}, got {got}")
        return cls(torch.Generator("cpu").manual_seed(seed))

    def normal(self, shape: Sequence[int], name: str) -> Tensor:
        """N(0, 1) of `shape`; `name` identifies the numbers for subclasses that replay recorded ones."""
        return torch.randn(tuple(shape), generator=self.generator, dtype=torch.float32)
