"""Which clips fit into memory: the profile on a GPU, and the dtype without one."""

import pytest

from easyanimate.memory import memory_needed
from easyanimate.models.capacity import Memory, fitting_profile, free_memory

SIZE = (1008, 576, 144)


def gpu(free_bytes: int) -> Memory:
    return Memory("a GPU", free_bytes, is_gpu=True)


@pytest.mark.parametrize("profile", ["normal", "low", "lowest"])
def test_on_a_gpu_the_fastest_profile_that_fits_is_returned(profile: str) -> None:
    assert fitting_profile(gpu(memory_needed(profile, *SIZE)), *SIZE) == profile  # type: ignore[arg-type]


def test_a_clip_that_fits_in_no_profile_is_reported() -> None:
    assert fitting_profile(gpu(memory_needed("lowest", *SIZE) - 1), *SIZE) == "no"


def on_a_cpu(free_gb: int) -> str:
    return fitting_profile(Memory("a machine", free_gb * 10**9, is_gpu=False), *SIZE)


def test_without_a_gpu_float32_comes_before_bfloat16_and_needs_about_twice_the_memory() -> None:
    profiles = [on_a_cpu(free_gb) for free_gb in range(200)]

    order = ["no", "bf16-lowest", "bf16-low", "bf16", "low", "normal"]
    assert [order.index(name) for name in profiles] == sorted(order.index(name) for name in profiles)
    assert {"no", "bf16", "normal"} <= set(profiles)
    twice = 2 * memory_needed("normal", *SIZE) / 10**9
    assert profiles.index("normal") == pytest.approx(twice, abs=2)


def test_this_machine_has_some_memory() -> None:
    assert free_memory().free_bytes > 0
