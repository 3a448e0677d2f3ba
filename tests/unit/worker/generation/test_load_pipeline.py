"""Which memory profile and number type a model is loaded in."""

import pytest
import torch

from easyanimate.memory import memory_needed
from tests.small_card import small_card
from worker.generation.load_pipeline import choose_device, choose_dtype, choose_memory_profile, largest_clip

CARD = small_card()
LARGEST = (256, 256, 48)


def test_the_profile_is_chosen_for_the_largest_window_of_the_model() -> None:
    assert largest_clip(CARD) == LARGEST
    assert largest_clip(CARD.model_copy(update={"max_frames": 1})) == (256, 256, 1)


@pytest.mark.parametrize("profile", ["normal", "low", "lowest"])
def test_the_fastest_profile_that_fits_is_chosen(profile: str) -> None:
    free_bytes = memory_needed(profile, *LARGEST)  # type: ignore[arg-type]
    assert choose_memory_profile(CARD, free_bytes, free_bytes) == profile


def test_a_model_that_fits_nowhere_has_the_smallest_profile() -> None:
    assert choose_memory_profile(CARD, 10**9, 10**9) == "lowest"


def test_weights_below_a_tenth_of_the_free_memory_need_no_profile() -> None:
    assert choose_memory_profile(CARD, 99, 1000) == "normal"
    assert choose_memory_profile(CARD, 100, 1000) == "lowest"


@pytest.mark.parametrize(
    ("dtype", "device", "chosen"),
    [
        ("auto", "cpu", torch.float32),
        ("auto", "cuda", torch.bfloat16),
        ("bfloat16", "cpu", torch.bfloat16),
        ("float32", "cuda", torch.float32),
    ],
)
def test_the_number_type_follows_from_the_device_unless_it_is_set(dtype: str, device: str, chosen: torch.dtype) -> None:
    assert choose_dtype(dtype, torch.device(device)) is chosen


@pytest.mark.parametrize("has_device", [False, True])
def test_cuda_is_used_where_there_is_a_device(has_device: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_device)
    assert choose_device("auto").type == ("cuda" if has_device else "cpu")
    assert choose_device("cpu").type == "cpu"
    if not has_device:
        with pytest.raises(ValueError, match="sees no CUDA device"):
            choose_device("cuda")
