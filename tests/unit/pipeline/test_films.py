"""Films: shots with prompts, seeds and images of their own, which join, cut and resume with equal frames."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation, Shot, WindowState, generate_film
from easyanimate.pipeline.windows.long_video import generate_windows
from easyanimate.pipeline.windows.still_scene import StillScene
from easyanimate.windows import Window, plan_shots, plan_windows

SETTINGS: dict[str, Any] = {"height": 32, "width": 32, "num_inference_steps": 1, "guidance_scale": 1.0}
WINDOW = 8
RED, BLUE = Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")

Film = Callable[..., Tensor]
Video = Callable[..., Tensor]


def shot(prompt: str, num_frames: int = 8, seed: int = 0, overlap: int = 0, **changes: Any) -> Shot:
    end_image = changes.pop("end_image", None)
    generation = Generation(prompt=prompt, num_frames=num_frames, **{**SETTINGS, **changes})
    return Shot(generation=generation, seed=seed, overlap=overlap, last_image=end_image)


def plan_of(shots: Sequence[Shot]) -> tuple[Window, ...]:
    return plan_shots([each.length for each in shots], window=WINDOW)


@pytest.fixture
def film(pipe: EasyAnimatePipeline) -> Film:
    """All frames of a film of windows of 8."""
    return lambda *shots, **more: torch.cat(list(generate_film(pipe, shots, plan_of(shots), **more)))


@pytest.fixture
def video(pipe: EasyAnimatePipeline) -> Video:
    """All frames of a video of one prompt."""

    def run(request: Shot, tail: Tensor | None = None) -> Tensor:
        generation, continues = request.generation, 0 if tail is None else len(tail)
        plan = plan_windows(
            generation.num_frames,
            window=WINDOW,
            overlap=continues or 4,
            continues=continues,
            end_image=generation.last_image is not None,
        )
        draws = Draws.from_seed(request.seed)
        return torch.cat(list(generate_windows(pipe, generation, plan, draws, previous_frames=tail)))

    return run


@pytest.mark.parametrize(
    "only",
    [
        shot("a cat", 16, seed=3),
        shot("a cat", 16, seed=3, overlap=4),
        shot("a cat", 16, seed=3, image=RED, last_image=BLUE, negative_prompt="a dog", guidance_scale=3.0),
    ],
)
def test_a_film_of_one_shot_equals_the_video_of_its_request(only: Shot, film: Film, video: Video) -> None:
    assert torch.equal(film(only), video(only))


def test_two_shots_with_a_cut_equal_two_videos(film: Film, video: Video) -> None:
    first, second = shot("a cat", 16, seed=3), shot("a dog", 8, seed=4)
    assert torch.equal(film(first, second), torch.cat([video(first), video(second)]))


def test_a_shot_with_a_start_image_equals_the_video_of_that_image(film: Film, video: Video) -> None:
    first, second = shot("a cat", seed=3), shot("a dog", 16, seed=4, image=RED)
    assert torch.equal(film(first, second)[8:], video(second))


@pytest.mark.parametrize("overlap", [1, 4])
def test_a_shot_with_an_overlap_continues_the_shot_before(film: Film, video: Video, overlap: int) -> None:
    first, second = shot("a cat", seed=3), shot("a dog", 8, seed=4, overlap=overlap)
    alone = video(first)
    joined = film(first, second)
    assert torch.equal(joined[: 8 - overlap], alone[: 8 - overlap])
    assert torch.equal(joined[8 - overlap :], video(second, tail=alone[8 - overlap :]))


def test_each_shot_changes_its_own_frames_only(film: Film) -> None:
    shots = [shot("a cat", seed=1), shot("a dog", seed=2), shot("a bird", seed=3)]
    before = film(*shots)
    for changed in (shot("a fish", seed=2), shot("a dog", seed=9)):
        after = film(shots[0], changed, shots[2])
        assert [torch.equal(before[i : i + 8], after[i : i + 8]) for i in (0, 8, 16)] == [True, False, True]


def test_a_shot_that_continues_can_have_an_end_image(film: Film) -> None:
    first, plain, ending = shot("a cat"), shot("a dog", overlap=4), shot("a dog", overlap=4, end_image=BLUE)
    assert not torch.equal(film(first, plain)[8:], film(first, ending)[8:])
    assert len(film(first, ending)) == 16


@pytest.mark.slow
def test_a_film_resumes_after_any_window_with_equal_frames(film: Film) -> None:
    shots = [shot("a cat", 16, seed=1), shot("a dog", 8, seed=2, overlap=4), shot("a bird", 16, seed=3, image=RED)]
    states: list[WindowState] = []
    whole, plan = film(*shots, on_window_end=states.append), plan_of(shots)
    assert [state.index for state in states] == list(range(1, len(plan)))
    for state in states:
        assert torch.equal(film(*shots, resume=state), whole[plan[state.index].start :])


def test_a_film_resumes_between_two_steps_of_a_later_shot(film: Film) -> None:
    shots = [shot("a cat", 8, seed=1), shot("a dog", 8, seed=2, num_inference_steps=2)]
    states: list[WindowState] = []
    whole = film(*shots, on_state=lambda capture, _is_last: states.append(capture()))
    (between,) = [state for state in states if state.index == 1 and state.denoising and state.denoising.index == 1]
    assert torch.equal(film(*shots, resume=between), whole[8:])


def test_a_prompt_of_several_windows_or_shots_is_encoded_once(
    pipe: EasyAnimatePipeline, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[str] = []
    encode = pipe.encode_text
    monkeypatch.setattr(pipe, "encode_text", lambda request: (prompts.append(request.prompt), encode(request))[1])
    film(shot("a cat", 16), shot("a cat", seed=1), shot("a dog", seed=2))
    assert prompts == ["a cat", "a dog"]


def test_a_film_with_different_overlaps_has_exactly_the_frames_of_all_shots(film: Film) -> None:
    assert len(film(shot("a cat", 16, overlap=1), shot("a dog", 16, overlap=4), shot("a cat", 8, overlap=2))) == 40


@pytest.mark.parametrize(
    ("shots", "answer"),
    [
        ([shot("a cat"), shot("a dog", width=64)], r"shots\[1\] is 64x32, and the first shot 32x32"),
        ([shot("a cat"), shot("a dog", end_image=BLUE)], r"shots\[1\] has an end image and no start"),
        ([shot("a cat", overlap=4, end_image=BLUE)], r"shots\[0\] has an end image and no start"),
    ],
)
def test_shots_that_do_not_go_together_are_refused(shots: list[Shot], answer: str, film: Film) -> None:
    with pytest.raises(InvalidInput, match=answer):
        film(*shots)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"overlap": 5}, "overlap must be between 0 and 4"),
        ({"overlap": 2, "image": RED}, "begins with a cut"),
        ({"seed": -1}, "seed must be between"),
        ({"context_frames": torch.zeros(2, 32, 32, 3, dtype=torch.uint8)}, "no video or context_frames"),
    ],
)
def test_an_impossible_shot_is_refused_when_it_is_created(changes: dict[str, Any], answer: str) -> None:
    with pytest.raises(InvalidInput, match=answer):
        shot("a cat", **changes)


def test_a_plan_of_other_shots_is_refused(pipe: EasyAnimatePipeline) -> None:
    shots = [shot("a cat"), shot("a dog")]
    for plan in (plan_of(shots[:1]), plan_of([*shots, shots[0]]), tuple(replace(w, shot=0) for w in plan_of(shots))):
        with pytest.raises(InvalidInput, match="the plan is not that of"):
            next(generate_film(pipe, shots, plan))


def test_the_scene_of_a_shot_ends_with_it(pipe: EasyAnimatePipeline) -> None:
    shots, states = (shot("a cat", 16), shot("a dog", 16)), list[WindowState]()
    frames = generate_film(pipe, shots, plan_of(shots), scene=StillScene(is_on=True), on_window_end=states.append)
    assert len(torch.cat(list(frames))) == 32
    assert [state.picture is None for state in states] == [False, False, True, False, False]
