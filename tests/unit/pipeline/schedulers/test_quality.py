"""The quality "fast": its plan, its calls, and that it resumes and repeats with equal frames."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.page.fast_clips import FastClips, ssim
from benchmarks.page.sections import read_result
from easyanimate.errors import InvalidInput, StateMismatch
from easyanimate.evaluation.from_text import video_prompts
from easyanimate.evaluation.task import psnr
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation, generate_windows
from easyanimate.sampling import StepPlan, techniques_of
from easyanimate.windows import plan_windows

SETTINGS: dict[str, Any] = {"prompt": "a cat", "negative_prompt": "a dog", "height": 32, "width": 32, "num_frames": 8}
STEPS = 10


def plan_of(quality: str, calls: int = STEPS) -> StepPlan:
    return StepPlan(quality, calls, image_share=0.5)


def test_an_exact_plan_guides_and_computes_each_call() -> None:
    plan = plan_of("exact")
    assert all(plan.is_guided(call) for call in range(STEPS))
    assert not any(plan.reuses_blocks(call) or plan.keeps_blocks(call) for call in range(STEPS))
    assert plan.rows(guided=True) == 2 * STEPS


def test_a_fast_plan_has_a_fixed_schedule() -> None:
    plan = plan_of("fast")
    assert [call for call in range(STEPS) if plan.is_guided(call)] == [0, 1, 2, 3, 4, 5]
    assert [call for call in range(STEPS) if plan.reuses_blocks(call)] == [3, 7]  # 5 begins to use the image tokens
    assert [call for call in range(STEPS) if plan.keeps_blocks(call)] == [2, 6]


@pytest.mark.parametrize("calls", range(1, 60))
def test_no_call_reuses_blocks_of_other_inputs(calls: int) -> None:
    plan = plan_of("fast", calls)
    for call in filter(plan.reuses_blocks, range(calls)):
        assert plan.context(call) == plan.context(call - 1)
        assert plan.keeps_blocks(call - 1)
        assert not plan.reuses_blocks(call - 1)


def latents(pipe: EasyAnimatePipeline, **changes: Any) -> Tensor:
    settings = SETTINGS | {"num_inference_steps": STEPS, "generator": 3, "output_type": "latent"} | changes
    return pipe(**settings).frames


def count_blocks(pipe: EasyAnimatePipeline, **changes: Any) -> list[int]:
    """The rows of each call of each block."""
    rows: list[int] = []
    hooks = [
        block.register_forward_hook(lambda _block, arguments, _result: rows.append(len(arguments[0])))
        for block in pipe.transformer.transformer_blocks
    ]
    latents(pipe, **changes)
    for hook in hooks:
        hook.remove()
    return rows


def test_a_fast_clip_computes_fewer_blocks_and_rows(pipe: EasyAnimatePipeline) -> None:
    blocks = len(pipe.transformer.transformer_blocks)
    exact, fast = count_blocks(pipe), count_blocks(pipe, quality="fast")
    assert exact == [2] * STEPS * blocks
    assert len(fast) == STEPS * blocks - 2 * (blocks - 1)  # the calls 3 and 7 compute one block
    first_blocks = 2 + 1  # rows of these calls, which `rows` does not count
    assert sum(fast) == blocks * plan_of("fast").rows(guided=True) + first_blocks


def test_a_fast_clip_is_another_one_and_can_be_repeated(pipe: EasyAnimatePipeline) -> None:
    exact, fast = latents(pipe), latents(pipe, quality="fast")
    assert not torch.equal(exact, fast)
    assert torch.equal(latents(pipe, quality="fast"), fast)
    assert torch.equal(latents(pipe), exact)


def test_a_change_that_is_kept_on_the_host_is_the_same(
    pipe: EasyAnimatePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_device = latents(pipe, quality="fast")
    monkeypatch.setattr(pipe.transformer, "residual_on_host", True)
    assert torch.equal(latents(pipe, quality="fast"), on_device)


def test_rows_one_by_one_reuse_their_own_blocks(pipe: EasyAnimatePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    together = latents(pipe, quality="fast")
    monkeypatch.setattr(pipe, "sequential_guidance", True, raising=False)
    torch.testing.assert_close(latents(pipe, quality="fast"), together, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("scheduler", ["euler", "pndm"])
def test_a_fast_clip_resumes_with_equal_frames(scheduler: str, pipe: EasyAnimatePipeline) -> None:
    request = Generation(**SETTINGS, num_inference_steps=STEPS, scheduler=scheduler, quality="fast")
    plan, states = plan_windows(8, window=8, overlap=4), []

    def frames(**more: Any) -> Tensor:
        return torch.cat(list(generate_windows(pipe, request, plan, Draws.from_seed(3), **more)))

    def keep(capture: Callable[[], Any], _is_last: bool) -> None:
        states.append(capture())

    whole = frames(on_state=keep)
    calls = STEPS + (9 if scheduler == "pndm" else 0)
    kept = {state.denoising.index - 1 for state in states}
    steps = plan_of("fast", calls)
    assert kept == {call for call in range(calls) if not steps.keeps_blocks(call)}
    for state in states[2:5]:
        assert torch.equal(frames(resume=state), whole)


def test_a_state_of_another_quality_is_refused(pipe: EasyAnimatePipeline) -> None:
    exact = Generation(**SETTINGS, num_inference_steps=STEPS)
    plan, states = plan_windows(8, window=8, overlap=4), []
    frames = generate_windows(
        pipe, exact, plan, Draws.from_seed(3), on_state=lambda capture, _is_last: states.append(capture())
    )
    list(frames)
    with pytest.raises(StateMismatch, match="other conditions"):
        next(generate_windows(pipe, replace(exact, quality="fast"), plan, Draws.from_seed(3), resume=states[1]))


def test_a_draft_is_exact(pipe: EasyAnimatePipeline) -> None:
    request = Generation(**SETTINGS, num_inference_steps=STEPS, quality="fast")
    frames = generate_windows(pipe, request, plan_windows(8, window=8, overlap=4), Draws.from_seed(0), draft_steps=2)
    with pytest.raises(InvalidInput, match='a draft needs the quality "exact"'):
        next(frames)


def test_an_unknown_quality_is_refused() -> None:
    with pytest.raises(InvalidInput, match="quality must be one of exact, fast, got 'best'"):
        Generation(**SETTINGS, quality="best")


def test_techniques_are_declared() -> None:
    assert techniques_of("exact") == ()
    assert techniques_of("fast") == ("guidance_interval", "step_cache")
    assert techniques_of("of a later release") == ()


@pytest.fixture(scope="module")
def small() -> FastClips:
    clips = FastClips(captions=1)
    clips.setup = replace(clips.setup, width=64, height=64, num_frames=8, num_inference_steps=10)
    return clips


def test_fast_clips_of_the_small_model_are_near_the_exact_ones(small: FastClips) -> None:
    prompt = video_prompts(small.setup, 1)[0]
    exact, fast = small.clip(prompt, "exact"), small.clip(prompt, "fast")
    assert psnr(exact, fast) >= 25
    assert ssim(exact, fast) >= 0.9


def test_the_stored_figures_of_fast_clips_are_above_their_floors() -> None:
    ways = read_result("quality").get("ways", {})  # empty until a run is stored
    for row in (row for name, row in ways.items() if name != "exact"):
        assert row["psnr"] >= 30
        assert row["ssim"] >= 0.97
        assert row["captions"] >= ways["exact"]["captions"] - 0.05
        assert row["seconds_ratio"] < 1
