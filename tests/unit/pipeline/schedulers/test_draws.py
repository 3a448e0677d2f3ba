"""The seeds that a call accepts, and those that it draws itself."""

from typing import Any

import pytest
import torch

from easyanimate.errors import InvalidInput
from easyanimate.pipeline import Draws
from easyanimate.pipeline.schedulers.draws import MAX_SEED


def seed_of(source: Any) -> int:
    return Draws.of(source).generator.initial_seed()


@pytest.mark.parametrize("source", [0, 7, 2**31, MAX_SEED])
def test_a_whole_number_is_the_seed_of_the_generator(source: int) -> None:
    assert seed_of(source) == seed_of([source]) == source


@pytest.mark.parametrize("source", [True, False, 1.5, "7", b"7", {}])
def test_only_a_whole_number_is_a_seed(source: object) -> None:
    with pytest.raises(InvalidInput, match="an integer as the seed"):
        Draws.of(source)


@pytest.mark.parametrize(
    ("seed", "got"),
    [(-1, "-1"), (MAX_SEED + 1, str(MAX_SEED + 1)), (10**5000, "a larger one"), (-(10**60), "a larger")],
    ids=["below", "above", "far above", "far below"],
)
def test_a_seed_out_of_range_is_refused_with_a_short_message(seed: int, got: str) -> None:
    with pytest.raises(InvalidInput, match=f"seed must be between 0 and {MAX_SEED}, got {got}") as refusal:
        Draws.of(seed)
    assert len(str(refusal.value)) < 100


def test_drawn_seeds_differ_and_fit_into_the_31_bits_of_other_tools() -> None:
    seeds = {seed_of(None) for _ in range(64)}
    assert len(seeds) > 60
    assert max(seeds) < 2**31


def test_a_generator_is_used_itself() -> None:
    generator = torch.Generator().manual_seed(5)
    assert Draws.of(generator).generator is generator
