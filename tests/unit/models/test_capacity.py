"""What fits into memory: in which profile on a GPU, all or nothing without one."""

import pytest

from easyanimate.memory import memory_needed
from easyanimate.models.capacity import Memory, fit, free_memory

SIZE = (1008, 576, 144)


def gpu(free_bytes: int) -> Memory:
    return Memory("a GPU", free_bytes, is_gpu=True)


@pytest.mark.parametrize("profile", ["normal", "low", "lowest"])
def test_on_a_gpu_the_fastest_profile_that_fits_is_told(profile: str) -> None:
    assert fit(gpu(memory_needed(profile, *SIZE)), *SIZE) == profile  # type: ignore[arg-type]


def test_what_fits_in_no_profile_is_told() -> None:
    assert fit(gpu(memory_needed("lowest", *SIZE) - 1), *SIZE) == "no"


@pytest.mark.parametrize(("spare", "told"), [(0, "normal"), (-1, "no")])
def test_without_a_gpu_values_take_twice_the_room_and_all_fits_or_nothing(spare: int, told: str) -> None:
    memory = Memory("a machine", 2 * memory_needed("normal", *SIZE) + spare, is_gpu=False)

    assert fit(memory, *SIZE) == told


def test_this_machine_has_some_memory() -> None:
    assert free_memory().free_bytes > 0
