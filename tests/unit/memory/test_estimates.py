"""The memory profile of a clip on a GPU of each size."""

from itertools import pairwise

import pytest

from easyanimate.errors import InvalidInput
from easyanimate.memory import PROFILES, choose_profile, memory_needed
from easyanimate.memory.estimates import Activations, activations, live_tokens, running_bytes

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
        choose_profile(3 * GB, 1280, 720, 144)


# One tensor of 18 latent frames of 24x42 tokens has 41,803,776 bytes. A tile has 384x384 pixels and 8 frames.
ENCODING, DECODING = 1_245_118_464, 1_658_585_088
DENOISING = {"normal": 2 * 26 * 41_803_776, "low": 25 * 41_803_776, "lowest": 7 * 41_803_776}
WEIGHTS = {
    "text_encoder": 9_524_621_312,
    "transformer": 3_076_729_408,
    "image_encoder": 607_937_024,
    "vae": 492_000_000,
    "two_blocks": 526_385_152,
}
WORKSPACE = 400_000_000


@pytest.mark.parametrize("profile", PROFILES)
def test_the_activations_of_a_clip_are_counted_by_phase(profile):
    assert activations(profile, 672, 384, 72) == Activations(ENCODING, DENOISING[profile], DECODING)


def test_the_activations_of_a_picture_smaller_than_a_tile_are_those_of_its_pixels():
    tokens = 2 * 1152 * 16 * 8
    assert activations("low", 256, 128, 1) == Activations(34_144_256, 25 * tokens, 42_729_472)


def test_the_memory_of_a_clip_is_that_of_weights_and_activations_that_are_needed_together():
    weights = WEIGHTS
    resident = weights["text_encoder"] + weights["transformer"] + weights["image_encoder"] + weights["vae"]
    assert memory_needed("normal", 672, 384, 72) == int(resident + 1.15 * DENOISING["normal"]) + WORKSPACE
    assert memory_needed("low", 672, 384, 72) == weights["text_encoder"] + WORKSPACE
    streamed = weights["vae"] + weights["two_blocks"]
    assert memory_needed("lowest", 672, 384, 72) == int(streamed + 1.15 * DECODING) + WORKSPACE


@pytest.mark.parametrize("profile", ["low", "lowest"])
def test_a_clip_needs_the_most_while_it_is_denoised_if_it_is_large(profile):
    denoising = 1.15 * activations(profile, 1280, 720, 144).denoising
    others = {"low": WEIGHTS["transformer"], "lowest": WEIGHTS["vae"] + WEIGHTS["two_blocks"]}[profile]
    assert memory_needed(profile, 1280, 720, 144) == int(others + denoising) + WORKSPACE


@pytest.mark.parametrize(
    ("profile", "most"), [("normal", DENOISING["normal"]), ("low", DECODING), ("lowest", DECODING)]
)
def test_a_loaded_model_needs_the_memory_of_its_largest_phase(profile, most):
    assert running_bytes(profile, 672, 384, 72) == int(1.15 * most) + WORKSPACE


@pytest.mark.parametrize(("profile", "slower"), [("normal", "low"), ("low", "lowest")])
def test_a_profile_is_chosen_if_the_clip_fits_to_the_byte(profile, slower):
    needed = memory_needed(profile, 672, 384, 72)
    assert choose_profile(needed, 672, 384, 72) == profile
    assert choose_profile(needed - 1, 672, 384, 72) == slower


@pytest.mark.parametrize(
    ("tokens", "live"),
    [
        (1, 12),
        (4096, 12 * 4096),  # one chunk of the feed-forward
        (4097, 2 * 4097 + 17 * 4096),  # the whole row twice, and a chunk
        (6144, 2 * 6144 + 17 * 4096),
        (13_926, 2 * 13_926 + 17 * 4096),
        (13_927, 7 * 13_927),  # attention
        (36_288, 7 * 36_288),
    ],
)
def test_the_smallest_profile_has_its_peak_in_a_chunk_of_the_feed_forward_or_in_attention(tokens, live):
    assert live_tokens("lowest", tokens) == live


@pytest.mark.parametrize(("profile", "tensors"), [("normal", 26), ("low", 25)])
@pytest.mark.parametrize("tokens", [1, 4097, 36_288])
def test_the_other_profiles_hold_the_same_tensors_for_any_number_of_tokens(profile, tensors, tokens):
    assert live_tokens(profile, tokens) == tensors * tokens
