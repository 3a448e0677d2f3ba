"""Whole runs of the pipeline with recorded random numbers; all intermediate values against recorded ones."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.pipeline import Draws, EasyAnimatePipeline, EasyAnimatePipelineOutput, num_timesteps
from easyanimate.pipeline.inputs.prompts import tokenize
from easyanimate.pipeline.schedulers.denoise import guide

INPUTS = Path(__file__).parents[1] / "golden" / "pipeline" / "inputs"
GUIDED = ("t2v_euler", "t2i_dpmpp", "i2v_start_dpmpp")  # with all values on the way
WHOLE = (*GUIDED, "t2v_euler_nocfg")  # the last without a negative prompt
RUNS = (*WHOLE, "i2v_start_pndm", "i2v_start_ddim", "v2v_strength")
RUNS_WITH = {
    "text.prompt.ids": WHOLE,
    "text.prompt.embeds": WHOLE,
    "text.negative.ids": GUIDED,
    "text.negative.embeds": GUIDED,
    "dit.0.clip_embeds": WHOLE,
    "dit.0.clip_mask": RUNS,
    "step.0.noise_pred": WHOLE,
    "frames": (*WHOLE, "v2v_strength"),
    "final_latents": RUNS,
}
SCHEDULER_NAMES = {"Euler": "euler", "DPM++": "dpmpp_2m", "PNDM": "pndm", "DDIM": "ddim_clipped"}

Near = Callable[[Tensor, Tensor], None]


@dataclass
class Replay:
    """A recorded run, and the values of this pipeline with the same settings and random numbers."""

    recorded: dict[str, Tensor]
    settings: dict[str, str]
    output: EasyAnimatePipelineOutput
    draws: Any
    inputs: list[dict[str, Tensor]] = field(default_factory=list)
    steps: list[dict[str, Tensor]] = field(default_factory=list)
    estimates: list[Tensor] = field(default_factory=list)


@pytest.fixture(scope="module")
def pipe(recorded_pipe: EasyAnimatePipeline) -> EasyAnimatePipeline:
    return recorded_pipe


@pytest.fixture(scope="module", params=RUNS)
def replay(
    request: pytest.FixtureRequest, pipe: EasyAnimatePipeline, recorded_run: Any, record_draws: type[Draws]
) -> Replay:
    recorded, settings = recorded_run(request.param)
    inputs: list[dict[str, Tensor]] = []
    steps: list[dict[str, Tensor]] = []
    estimates: list[Tensor] = []
    draws = record_draws(recorded)

    def on_step(_pipe: Any, _index: int, timestep: Tensor, kwargs: dict[str, Tensor]) -> dict[str, Tensor]:
        steps.append({"timestep": timestep, **kwargs})
        return {}

    def on_call(_module: Any, _args: Any, kwargs: dict[str, Tensor], result: Any) -> None:
        inputs.append(kwargs)
        estimates.append(result.sample[:, :4])

    hook = pipe.transformer.register_forward_hook(on_call, with_kwargs=True)
    output = pipe(
        settings["prompt"],
        settings["negative_prompt"],
        image=Image.open(INPUTS / "start.png") if "start" in request.param else None,
        video=recorded.get("in.video"),
        strength=float(settings["strength"]),
        height=int(settings["height"]),
        width=int(settings["width"]),
        num_frames=int(settings["frames"]),
        num_inference_steps=int(settings["steps"]),
        guidance_scale=float(settings["cfg"]),
        scheduler=SCHEDULER_NAMES[settings["sampler"]],
        image_resample="nearest",
        generator=draws,
        callback_on_step_end=on_step,
        output_type="pt",
    )
    hook.remove()
    return Replay(recorded, settings, output, draws, inputs, steps, estimates)


def only_with(key: str) -> pytest.MarkDecorator:
    """Runs a test with the recorded runs that have `key`."""
    return pytest.mark.parametrize("replay", RUNS_WITH[key], indirect=True)


@pytest.mark.parametrize("key", RUNS_WITH)
def test_the_runs_with_a_value_are_those_that_are_tested(recorded_run: Any, key: str) -> None:
    assert {name for name in RUNS if key in recorded_run(name)[0]} == set(RUNS_WITH[key])


def assert_tokens(replay: Replay, pipe: EasyAnimatePipeline, kind: str, setting: str) -> None:
    tokens = tokenize(pipe.tokenizer, [replay.settings[setting]], clean_caption=True)
    assert torch.equal(tokens.ids, replay.recorded[f"text.{kind}.ids"])
    assert torch.equal(tokens.mask, replay.recorded[f"text.{kind}.mask"])


@only_with("text.prompt.ids")
def test_the_prompt_becomes_the_recorded_tokens(replay: Replay, pipe: EasyAnimatePipeline) -> None:
    assert_tokens(replay, pipe, "prompt", "prompt")


@only_with("text.negative.ids")
def test_the_negative_prompt_becomes_the_recorded_tokens(replay: Replay, pipe: EasyAnimatePipeline) -> None:
    assert_tokens(replay, pipe, "negative", "negative_prompt")


@only_with("text.prompt.embeds")
def test_the_transformer_receives_the_recorded_text(replay: Replay, assert_near: Near) -> None:
    received = replay.inputs[0]["encoder_hidden_states"]
    assert_near(received[-1:], replay.recorded["text.prompt.embeds"])
    assert len(received) == (1 if float(replay.settings["cfg"]) == 1 else 2)


@only_with("text.negative.embeds")
def test_the_first_row_of_the_transformer_is_the_negative_text(replay: Replay, assert_near: Near) -> None:
    assert_near(replay.inputs[0]["encoder_hidden_states"][:1], replay.recorded["text.negative.embeds"])


def test_the_transformer_receives_the_recorded_mask_and_masked_video(replay: Replay, assert_near: Near) -> None:
    recorded = replay.recorded["dit.inpaint_latents"]
    assert_near(replay.inputs[0]["inpaint_latents"], recorded.expand_as(replay.inputs[0]["inpaint_latents"]))


@only_with("dit.0.clip_embeds")
def test_the_transformer_receives_the_recorded_image_embeddings_in_each_step(replay: Replay, assert_near: Near) -> None:
    for i, inputs in enumerate(replay.inputs):
        assert_near(inputs["clip_encoder_hidden_states"], replay.recorded[f"dit.{i}.clip_embeds"])


@only_with("dit.0.clip_mask")
def test_the_transformer_receives_the_recorded_image_mask_in_each_step(replay: Replay) -> None:
    for i, inputs in enumerate(replay.inputs):
        assert torch.equal(inputs["clip_attention_mask"], replay.recorded[f"dit.{i}.clip_mask"])


def test_the_transformer_receives_the_recorded_timesteps(replay: Replay, assert_near: Near) -> None:
    for i, inputs in enumerate(replay.inputs):
        assert_near(inputs["timestep"], replay.recorded[f"step.{i}.t"].expand_as(inputs["timestep"]))


@only_with("step.0.noise_pred")
def test_the_noise_is_estimated_as_recorded(replay: Replay, assert_near: Near) -> None:
    for i, estimate in enumerate(replay.estimates):
        assert_near(guide(estimate, float(replay.settings["cfg"])), replay.recorded[f"step.{i}.noise_pred"])


def test_each_step_ends_at_the_recorded_latents(replay: Replay, assert_near: Near) -> None:
    scheduler = SCHEDULER_NAMES[replay.settings["sampler"]]
    calls = num_timesteps(scheduler, int(replay.settings["steps"]), float(replay.settings["strength"]))
    assert len(replay.steps) == calls == sum(key.endswith(".latents_out") for key in replay.recorded)
    for i, step in enumerate(replay.steps):
        assert_near(step["timestep"], replay.recorded[f"step.{i}.t"])
        assert_near(step["latents"], replay.recorded[f"step.{i}.latents_out"])
    assert_near(replay.steps[-1]["latents"], replay.recorded["final_latents"])


@only_with("frames")
def test_the_frames_are_the_recorded_ones(replay: Replay) -> None:
    actual = replay.output.frames.transpose(1, 2)[:, :, replay.recorded["frames.index"]]
    torch.testing.assert_close(actual, replay.recorded["frames"].float(), rtol=0, atol=1e-3)


def test_every_recorded_random_number_is_used(replay: Replay) -> None:
    assert not any(replay.draws.left.values())
