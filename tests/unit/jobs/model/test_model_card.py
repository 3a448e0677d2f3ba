"""A card refuses impossible values, and the nearest value named in a refusal is accepted."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easyanimate.geometry import is_reachable, shape_change
from easyanimate.tiny.card import CARD
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from worker.models.cards import published_card

SIDES = st.integers(-50, 5000)


@st.composite
def cards(draw: st.DrawFn) -> ModelCard:
    """Any valid card: sides on the grid, and the smallest size within the limit of pixels."""
    min_side = 16 * draw(st.integers(1, 20))
    max_side = min_side + 16 * draw(st.integers(0, 60))
    max_pixels = draw(st.integers(min_side**2, max_side**2))
    return ModelCard(
        name="m",
        default_width=min_side,
        default_height=min_side,
        max_pixels=max_pixels,
        max_side=max_side,
        min_side=min_side,
        max_frames=draw(st.integers(1, 300)),
        default_num_frames=1,
        default_num_inference_steps=10,
        default_guidance_scale=4.0,
        default_scheduler="euler",
        schedulers=("euler", "pndm"),
    )


@given(cards(), SIDES, SIDES)
def test_the_nearest_size_in_a_refusal_is_accepted(card: ModelCard, width: int, height: int) -> None:
    try:
        card.check_size(width, height)
    except InvalidRequest as refusal:
        (near,) = re.findall(r"the nearest is (\d+)x(\d+)$", str(refusal))
        card.check_size(int(near[0]), int(near[1]))


@given(cards(), SIDES, SIDES)
def test_an_accepted_size_is_on_the_grid_and_within_the_limits(card: ModelCard, width: int, height: int) -> None:
    try:
        card.check_size(width, height)
    except InvalidRequest:
        return
    assert width % 16 == height % 16 == 0
    assert card.min_side <= min(width, height)
    assert max(width, height) <= card.max_side
    assert width * height <= card.max_pixels


@given(cards(), st.integers(-10, 10**30))
def test_the_nearest_number_of_frames_in_a_refusal_is_accepted(card: ModelCard, num_frames: int) -> None:
    try:
        card.check_num_frames(num_frames)
    except InvalidRequest as refusal:
        card.check_num_frames(int(str(refusal).rsplit(" ", 1)[1]))


@given(cards(), st.integers(-10, 2000))
def test_exactly_the_reachable_frames_up_to_the_longest_video_are_accepted(card: ModelCard, num_frames: int) -> None:
    try:
        card.check_num_frames(num_frames)
        accepted = True
    except InvalidRequest:
        accepted = False
    assert accepted == (is_reachable(num_frames) and num_frames <= card.max_video_frames)


@pytest.mark.parametrize(("width", "code"), [(130, "invalid_size"), (32, "invalid_size"), (1024, "invalid_size")])
def test_a_refused_size_carries_its_code_and_parameter(card: ModelCard, width: int, code: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        card.check_size(width, 128)
    assert (refusal.value.code, refusal.value.param) == (code, "size")


def test_a_refused_number_of_frames_carries_its_code_and_parameter(card: ModelCard) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        card.check_num_frames(20)
    assert (refusal.value.code, refusal.value.param) == ("invalid_seconds", "num_frames")


def test_too_many_pixels_keep_their_shape_in_the_nearest_size(card: ModelCard) -> None:
    with pytest.raises(InvalidRequest, match=r"the nearest is 368x176$"):
        card.check_size(512, 256)


CARDS = [published_card("model", base) for base in (512, 768, 960)] + [ModelCard(**CARD)]
COMMON = [
    *[(640, 480), (720, 480), (720, 576), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (4096, 2160)],
    *[(160, 120), (176, 144), (352, 288), (854, 480), (1440, 1080), (3440, 1440), (4032, 3024), (1000, 1000), (96, 96)],
]


@pytest.mark.parametrize("size", COMMON)
@pytest.mark.parametrize("limits", CARDS, ids=lambda limits: f"{limits.base}")
def test_common_sizes_keep_their_shape(limits: ModelCard, size: tuple[int, int]) -> None:
    for sides in (size, size[::-1]):
        nearest = limits.nearest_size(*sides)
        limits.check_size(*nearest)
        assert shape_change(sides, nearest) <= 0.06


@pytest.mark.parametrize(
    ("base", "size", "nearest"),
    [
        (512, (1920, 1080), (672, 384)),
        (512, (1080, 1920), (384, 672)),
        (768, (1920, 1080), (1024, 576)),
        (960, (3840, 2160), (1280, 720)),
        (512, (100, 56), (224, 128)),
    ],
)
def test_the_nearest_sizes_of_published_models(base: int, size: tuple[int, int], nearest: tuple[int, int]) -> None:
    assert published_card("model", base).nearest_size(*size) == nearest


@given(cards(), SIDES, SIDES)
def test_a_size_of_the_model_is_its_own_nearest_size(card: ModelCard, width: int, height: int) -> None:
    nearest = card.nearest_size(width, height)
    assert card.nearest_size(*nearest) == nearest


def test_an_unknown_scheduler_is_refused_with_the_available_ones(card: ModelCard) -> None:
    with pytest.raises(InvalidRequest, match="one of euler, euler_ancestral, dpmpp_2m, pndm, ddim"):
        card.check_sampling("karras", 10)


@pytest.mark.parametrize(("scheduler", "steps"), [("euler", 0), ("pndm", 3), ("euler", 201)])
def test_a_number_of_steps_outside_the_schedulers_range_is_refused(card: ModelCard, scheduler: str, steps: int) -> None:
    with pytest.raises(InvalidRequest, match="num_inference_steps must be between"):
        card.check_sampling(scheduler, steps)


@pytest.mark.parametrize(("scheduler", "steps"), [("euler", 1), ("pndm", 4), ("ddim", 200)])
def test_the_limits_of_steps_are_accepted(card: ModelCard, scheduler: str, steps: int) -> None:
    card.check_sampling(scheduler, steps)


@pytest.mark.parametrize("name", ["", "../etc", "a b", ".hidden", "a" * 101, "a:b", "a*"])
def test_a_name_that_could_be_mistaken_for_a_path_or_a_pattern_is_refused(card: ModelCard, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        ModelCard.model_validate(card.model_dump() | {"name": name})
