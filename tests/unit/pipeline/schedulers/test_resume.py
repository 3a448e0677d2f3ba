"""A video that is interrupted at any step resumes with equal frames, for each scheduler."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.errors import StateMismatch
from easyanimate.pipeline import (
    SCHEDULERS,
    Draws,
    EasyAnimatePipeline,
    Generation,
    WindowState,
    generate_windows,
)
from easyanimate.pipeline.inputs.prompts import TextContext
from easyanimate.pipeline.schedulers import denoise
from easyanimate.pipeline.schedulers.denoise import Conditions
from easyanimate.pipeline.schedulers.denoising_state import Continuation, DenoisingState
from easyanimate.windows import Window, plan_windows

STEPS = 4
SETTINGS: dict[str, Any] = {
    "prompt": "a cat",
    "negative_prompt": "a dog",
    "height": 16,
    "width": 16,
    "num_frames": 8,
    "num_inference_steps": STEPS,
    "guidance_scale": 4.0,
}
VIDEO = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
MODES: dict[str, dict[str, Any]] = {
    "words alone": {},
    "without guidance": {"guidance_scale": 1.0},
    "start and end": {"image": Image.new("RGB", (16, 16), "red"), "last_image": Image.new("RGB", (16, 16), "blue")},
    "frames to go on from": {"context_frames": VIDEO[:4]},
    "strength": {"video": VIDEO, "strength": 0.7},
    "mask": {"video": VIDEO, "mask": Image.new("L", (16, 16), 255).rotate(30, fillcolor=0)},
}


@pytest.fixture(scope="module")
def run(pipe: EasyAnimatePipeline) -> Callable[..., Tensor]:
    """All frames of a video of windows of 8."""

    def run(request: Generation, num_frames: int = 8, **more: Any) -> Tensor:
        continues = 0 if request.context_frames is None else len(request.context_frames)
        ends = request.last_image is not None
        plan = plan_windows(num_frames, window=8, overlap=4, continues=continues, end_image=ends)
        if request.video is not None:
            plan = (Window(0, 8, 8),)
        draws = Draws.from_seed(more.pop("seed", 3))
        return torch.cat(list(generate_windows(pipe, request, plan, draws, **more)))

    return run


def states_of(run: Callable[..., Tensor], request: Generation, num_frames: int = 8) -> tuple[Tensor, list[WindowState]]:
    """The frames without an interruption, and the state after each step."""
    states: list[WindowState] = []
    return run(request, num_frames, on_state=lambda capture, _: states.append(capture())), states


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_each_scheduler_resumes_from_each_step(run: Callable[..., Tensor], scheduler: str) -> None:
    request = Generation(**SETTINGS, scheduler=scheduler)
    whole, states = states_of(run, request)
    assert len(states) >= STEPS
    for state in {*states[:: len(states) // STEPS], states[-1]}:
        assert torch.equal(run(request, seed=99, resume=state), whole)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scheduler", ["euler_ancestral", "unipc"])
def test_each_mode_resumes_from_the_middle(run: Callable[..., Tensor], mode: str, scheduler: str) -> None:
    request = Generation(**{**SETTINGS, **MODES[mode]}, scheduler=scheduler)
    whole, states = states_of(run, request)
    state = states[len(states) // 2]
    assert torch.equal(run(request, seed=99, resume=state), whole[4 * state.index :])


def test_a_long_video_resumes_in_the_middle_of_any_window(run: Callable[..., Tensor]) -> None:
    request = Generation(**SETTINGS, scheduler="dpmpp_2m")
    whole, states = states_of(run, request, 14)
    assert [state.index for state in states] == [0] * STEPS + [1] * STEPS + [2] * STEPS
    for state in states[1 :: STEPS - 1]:
        assert torch.equal(run(request, 14, seed=99, resume=state), whole[4 * state.index :])


def test_only_the_last_step_of_a_window_is_marked_as_the_last(run: Callable[..., Tensor]) -> None:
    flags: list[bool] = []
    run(Generation(**SETTINGS), on_state=lambda _, is_last: flags.append(is_last))
    assert flags == [False] * (STEPS - 1) + [True]


@pytest.mark.parametrize(
    "changes", [{"prompt": "a bird"}, {"guidance_scale": 5.0}, {"clip_apply_ratio": 0.1}, {"width": 32}]
)
def test_the_state_of_something_else_is_refused_before_any_frame(
    run: Callable[..., Tensor], changes: dict[str, Any]
) -> None:
    _, states = states_of(run, Generation(**SETTINGS))
    with pytest.raises(StateMismatch):
        run(Generation(**{**SETTINGS, **changes}), resume=states[2])


CONDITIONS: dict[str, Any] = {
    "text": TextContext(torch.zeros(2, 120, 8), torch.ones(2, 120)),
    "image": torch.zeros(2, 4),
    "image_mask": torch.zeros(2, 8),
    "inpaint_latents": torch.zeros(1, 8, 2, 2, 2),
    "guidance_scale": 4.0,
    "clip_apply_ratio": 0.5,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"text": TextContext(torch.ones(2, 120, 8), torch.ones(2, 120))},
        {"text": TextContext(torch.zeros(2, 120, 8), torch.zeros(2, 120))},
        {"image": torch.ones(2, 4)},
        {"image_mask": torch.ones(2, 8)},
        {"inpaint_latents": torch.ones(1, 8, 2, 2, 2)},
        {"guidance_scale": 5.0},
        {"clip_apply_ratio": 0.4},
        {"init_latents": torch.zeros(1, 4, 2, 2, 2)},
        {"quality": "fast"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_state_belongs_to_each_input_of_the_transformer(changes: dict[str, Any]) -> None:
    assert Conditions(**{**CONDITIONS, **changes}).sha256 != Conditions(**CONDITIONS).sha256


@pytest.mark.parametrize(("quality", "changes"), [("exact", False), ("fast", True)])
@pytest.mark.parametrize("setting", ["GUIDED_SHARE", "REUSE_FROM", "REUSE_UNTIL"])
def test_a_setting_of_fast_clips_changes_the_states_of_these_alone(
    setting: str, quality: str, changes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Conditions(**CONDITIONS, quality=quality).sha256
    monkeypatch.setattr(denoise, setting, 0.123)
    assert (Conditions(**CONDITIONS, quality=quality).sha256 != before) is changes


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Conditions(**CONDITIONS), "guidance_scale"),  # its hash is computed once
        (DenoisingState(1, torch.zeros(1), {}, torch.zeros(1), ""), "index"),
        (Continuation(), "draft_steps"),
    ],
)
def test_what_a_state_depends_on_cannot_be_changed(value: Any, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, field, 2)
