"""The memory profile of a clip on a GPU of each size."""

from itertools import pairwise

import pytest

from easyanimate.errors import InvalidInput
from easyanimate.memory import PROFILES, choose_profile, memory_needed

GB = 10**9
SIZES = [(672, 384, 72), (672, 384, 144), (1008, 576, 72), (1008, 576, 144), (1280, 720, 72), (1280, 720, 144)]
# The published table for V3: "OK" with one model at a time on the card, "LOW" with one layer at a time.
PUBLISHED = {
    12: ("LOW", "LOW", "LOW", "LOW", "no", "no"),
    16: ("OK", "OK", "LOW", "LOW", "LOW", "no"),
    24: ("OK", "OK", "OK", "OK", "OK", "no"),
    40: ("OK",) * 6,
    80: ("OK",) * 6,
}
AS_GOOD = {"OK": ("normal", "low"), "LOW": PROFILES, "no": PROFILES}


@pytest.mark.parametrize("card", PUBLISHED)
def test_every_card_makes_what_the_published_table_promises_and_more(card):
    for size, promise in zip(SIZES, PUBLISHED[card], strict=True):
        assert choose_profile(card * GB, *size) in AS_GOOD[promise]


@pytest.mark.parametrize("size", SIZES)
def test_a_larger_card_never_gets_a_slower_profile(size):
    ranks = [PROFILES.index(choose_profile(card * GB, *size)) for card in (12, 16, 24, 40, 80)]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("profile", PROFILES)
def test_more_frames_or_pixels_never_need_less(profile):
    for frames in (1, 8, 72, 136):
        assert memory_needed(profile, 672, 384, frames) <= memory_needed(profile, 672, 384, frames + 8)
    assert all(memory_needed(profile, *a) <= memory_needed(profile, *b) for a, b in pairwise(SIZES[::2]))


@pytest.mark.parametrize("size", SIZES)
def test_each_profile_needs_less_than_the_one_before(size):
    needs = [memory_needed(profile, *size) for profile in PROFILES]
    assert needs == sorted(needs, reverse=True)


def test_the_largest_card_holds_everything_at_once():
    assert {choose_profile(80 * GB, *size) for size in SIZES} == {"normal"}


def test_too_little_memory_is_refused_with_what_would_do():
    with pytest.raises(InvalidInput, match=r"about \d+ bytes.*fewer frames or a smaller size"):
        choose_profile(4 * GB, 1280, 720, 144)
