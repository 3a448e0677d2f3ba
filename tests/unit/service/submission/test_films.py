"""Films at submit: the defaults and the windows of each shot, and refusals that name the shot and its field."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from easyanimate.tiny.card import CARD
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from jobs.model.request import MAX_PROMPT_CHARS
from jobs.store.callers.async_submission import ModelOffer
from service.http.fields import validate
from service.resources import Resources
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.shots import MAX_SHOTS
from service.submission.build import Submission
from service.submission.films import build_film

TINY = ModelCard.model_validate(CARD)
IMAGES_ONLY = TINY.model_copy(update={"max_frames": 1})
NO_INPUTS = SimpleNamespace(fetcher=None, uploads=None, media=None, outbound=None)
BALL = "a large red circle"


def shot(num_frames: Any = 24, **fields: Any) -> dict[str, Any]:
    return {"prompt": BALL, "num_frames": num_frames, **fields}


def build(*shots: Any, card: ModelCard = TINY, **fields: Any) -> Submission:
    return submit({"shots": list(shots), **fields}, card)


def submit(fields: dict[str, Any], card: ModelCard = TINY) -> Submission:
    body = validate(CreateVideo, fields)
    return build_film(cast(Resources, NO_INPUTS), "owner", body, ModelOffer((card,)))


def test_a_film_has_the_joined_prompts_and_the_frames_of_its_shots() -> None:
    request = build({"prompt": "a red circle", "num_frames": 16}, {"prompt": "a blue square", "num_frames": 24}).request
    assert (request.prompt, request.num_frames) == ("a red circle\na blue square", 40)


def test_a_shot_has_the_seed_of_the_request_and_its_index() -> None:
    request = build(shot(), shot(seed=3), shot(), seed=40).request
    assert [each.seed for each in request.shots] == [40, 3, 42]


def test_a_film_without_a_seed_has_consecutive_seeds_from_a_random_one() -> None:
    request = build(shot(), shot()).request
    assert [each.seed - request.seed for each in request.shots] == [0, 1]


def test_the_negative_prompt_of_the_request_is_that_of_shots_without_one() -> None:
    request = build(shot(), shot(negative_prompt=""), shot(negative_prompt="red"), negative_prompt="blurry").request
    assert [each.negative_prompt for each in request.shots] == ["blurry", "", "red"]


@pytest.mark.parametrize(
    ("fields", "overlaps"),
    [({}, [0, 4, 0, 2]), ({"overlap": 1}, [0, 1, 0, 2]), ({"shot": {"overlap": 3}}, [3, 4, 0, 2])],
)
def test_a_shot_continues_from_four_frames_unless_another_number_is_set(
    fields: dict[str, Any], overlaps: list[int]
) -> None:
    first = shot(**fields.pop("shot", {}))
    request = build(first, shot(), shot(overlap=0), shot(overlap=2), **fields).request
    assert [each.overlap for each in request.shots] == overlaps


def test_the_windows_of_each_shot_are_counted() -> None:
    request = build(shot(24), shot(24), shot(48, overlap=0), shot(8)).request
    assert [each.num_windows for each in request.shots] == [1, 2, 3, 1]


def test_seconds_become_the_nearest_frames_with_a_warning_that_names_the_shot() -> None:
    submission = build(shot(), {"prompt": BALL, "seconds": "1.1"})
    assert (TINY.fps, submission.request.shots[1].num_frames) == (8, 8)
    (warning,) = submission.warnings
    assert warning.startswith("shots[1].seconds: 1.1 became 8 frames")


def test_unknown_words_of_a_shot_are_a_warning_that_names_the_shot() -> None:
    (warning,) = build(shot(), {"prompt": "a large zebra", "num_frames": 8}).warnings
    assert warning.startswith("shots[1].prompt: ")
    assert "zebra" in warning


@pytest.mark.parametrize(
    "shots",
    [
        '[{"prompt": "a large red circle", "num_frames": 8}]',
        {"prompt": BALL, "num_frames": "8"},
        ['{"prompt": "a large red circle", "num_frames": 8}'],
        {"0": {"prompt": BALL, "num_frames": "8"}},
        {"0": '{"prompt": "a large red circle", "num_frames": 8}'},
    ],
)
def test_shots_have_the_same_meaning_in_every_form(shots: Any) -> None:
    (only,) = validate(CreateVideo, {"shots": shots}).shots
    assert (only.prompt, only.num_frames) == (BALL, 8)


def test_numbered_shots_are_in_the_order_of_their_numbers() -> None:
    numbered = {str(number): shot(8 * (number + 1)) for number in (10, *range(10))}
    assert [each.num_frames for each in validate(CreateVideo, {"shots": numbered}).shots] == list(range(8, 96, 8))


MOST = TINY.max_video_frames
IMAGE = "data:image/png;base64,AA=="
REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    ({"shots": []}, "invalid_shots", "shots", "1 to 64"),
    ({"shots": [shot()] * (MAX_SHOTS + 1)}, "invalid_shots", "shots", "65 entries"),
    ({"shots": "[{"}, "invalid_shots", "shots", "JSON"),
    ({"shots": [shot(), 7]}, "invalid_shots", "shots[1]", "object"),
    ({"shots": {"0": shot(), "2": shot()}}, "invalid_shots", "shots", "without a gap"),
    ({"shots": [shot(), {"num_frames": 8}]}, "invalid_shots", "shots[1].prompt", "missing"),
    ({"shots": [shot(), shot(prompt=" ")]}, "invalid_shots", "shots[1].prompt", "blank"),
    ({"shots": [shot(), shot(prompt="一只可爱的猫")]}, "prompt_not_understood", "shots[1].prompt", "English"),
    ({"shots": [shot(promt="a")]}, "unknown_parameter", "shots[0].promt", "shots[0].prompt"),
    ({"shots": [shot(), {"prompt": BALL}]}, "invalid_shots", "shots[1].num_frames", "missing"),
    ({"shots": [shot(), shot(17)]}, "invalid_shots", "shots[1].num_frames", "multiple of 8"),
    ({"shots": [shot(), shot(1)]}, "invalid_shots", "shots[1].num_frames", "the nearest is 8"),
    ({"shots": [shot(), shot(0)]}, "invalid_shots", "shots[1].num_frames", "the nearest is 8"),
    ({"shots": [shot("many")]}, "invalid_shots", "shots[0].num_frames", "whole number"),
    ({"shots": [shot(seconds=1)]}, "invalid_shots", "shots[0].seconds", "not both"),
    ({"shots": [{"prompt": BALL, "seconds": 0}]}, "invalid_shots", "shots[0].seconds", "more than 0"),
    ({"shots": [shot(), shot(MOST - 16)]}, "invalid_shots", "shots[1].num_frames", "leave"),
    ({"shots": [shot(), shot(overlap=5)]}, "invalid_shots", "shots[1].overlap", "at most 4"),
    ({"shots": [shot(), shot(overlap=2, image=IMAGE)]}, "invalid_shots", "shots[1].overlap", "begins with a cut"),
    ({"shots": [shot(last_image=IMAGE)]}, "invalid_shots", "shots[0].last_image", "needs a start"),
    ({"shots": [shot(), shot(last_image=IMAGE, overlap=0)]}, "invalid_shots", "shots[1].last_image", "needs a start"),
    ({"shots": [shot(seed=-1)]}, "invalid_shots", "shots[0].seed", "0 or more"),
    ({"shots": [shot(), shot()], "seed": 2**63 - 1}, "invalid_shots", "seed", "room"),
    ({"shots": [shot(prompt="a " * 9000)] * 2}, "invalid_shots", "shots", str(MAX_PROMPT_CHARS)),
    ({"shots": [shot()], "prompt": "a"}, "invalid_shots", "prompt", "combined"),
    ({"shots": [shot()], "num_frames": 8}, "invalid_shots", "num_frames", "combined"),
    ({"shots": [shot()], "seconds": 1}, "invalid_shots", "seconds", "combined"),
    ({"shots": [shot()], "n": 2}, "invalid_shots", "n", "combined"),
    ({"shots": [shot()], "image": IMAGE}, "invalid_shots", "image", "of a shot"),
    ({"shots": [shot()], "input_reference": IMAGE}, "invalid_shots", "input_reference", "of a shot"),
    ({"shots": [shot()], "last_image": IMAGE}, "invalid_shots", "last_image", "of a shot"),
    ({"shots": [shot()], "video": {"id": "video_1"}}, "invalid_shots", "video", "combined"),
    ({"shots": [shot()], "mask": IMAGE}, "invalid_shots", "mask", "combined"),
    ({"shots": [shot()], "strength": 0.5}, "invalid_shots", "strength", "combined"),
    ({"shots": [shot()], "resize_to_image": True}, "invalid_shots", "resize_to_image", "combined"),
    ({"shots": [shot()], "size": "100x100"}, "invalid_size", "size", "nearest"),
    ({"shots": None}, "invalid_request", "prompt", "missing"),
]


@pytest.mark.parametrize(("fields", "code", "param", "word"), REFUSED)
def test_a_wrong_film_is_refused_with_the_field_of_the_shot(
    fields: dict[str, Any], code: str, param: str, word: str
) -> None:
    with pytest.raises(InvalidRequest, match=word.replace("[", r"\[")) as refusal:
        submit(fields)
    assert (refusal.value.code, refusal.value.param) == (code, param)


def test_a_model_of_images_makes_no_film() -> None:
    with pytest.raises(InvalidRequest, match="generates images") as refusal:
        build(shot(), card=IMAGES_ONLY)
    assert refusal.value.code == "invalid_shots"


def test_fields_that_change_nothing_are_accepted_beside_shots() -> None:
    assert build(shot(), n=1, resize_to_image=False, prompt=None).count == 1
