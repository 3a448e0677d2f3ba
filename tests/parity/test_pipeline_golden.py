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
RUNS = (
    "t2v_euler",
    "t2v_euler_nocfg",
    "t2i_dpmpp",
    "i2v_start_dpmpp",
    "i2v_start_pndm",
    "i2v_start_ddim",
    "v2v_strength",
)
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


def test_the_prompts_become_the_recorded_tokens(replay: Replay, pipe: EasyAnimatePipeline) -> None:
    for kind, setting in (("prompt", "prompt"), ("negative", "negative_prompt")):
        if f"text.{kind}.ids" in replay.recorded:
            tokens = tokenize(pipe.tokenizer, [replay.settings[setting]], clean_caption=True)
            assert torch.equal(tokens.ids, replay.recorded[f"text.{kind}.ids"])
            assert torch.equal(tokens.mask, replay.recorded[f"text.{kind}.mask"])


def test_the_transformer_receives_the_recorded_text(replay: Replay, assert_near: Near) -> None:
    rows = [replay.recorded[key] for key in ("text.negative.embeds", "text.prompt.embeds") if key in replay.recorded]
    if rows:
        assert_near(replay.inputs[0]["encoder_hidden_states"], torch.cat(rows))


def test_the_transformer_receives_the_recorded_mask_and_masked_video(replay: Replay, assert_near: Near) -> None:
    recorded = replay.recorded["dit.inpaint_latents"]
    assert_near(replay.inputs[0]["inpaint_latents"], recorded.expand_as(replay.inputs[0]["inpaint_latents"]))


def test_the_transformer_receives_the_recorded_image_embeddings_in_each_step(replay: Replay, assert_near: Near) -> None:
    for i, inputs in enumerate(replay.inputs):
        if f"dit.{i}.clip_embeds" in replay.recorded:
            assert_near(inputs["clip_encoder_hidden_states"], replay.recorded[f"dit.{i}.clip_embeds"])
        assert torch.equal(inputs["clip_attention_mask"], replay.recorded[f"dit.{i}.clip_mask"])


def test_the_transformer_receives_the_recorded_timesteps(replay: Replay, assert_near: Near) -> None:
    for i, inputs in enumerate(replay.inputs):
        assert_near(inputs["timestep"], replay.recorded[f"step.{i}.t"].expand_as(inputs["timestep"]))


def test_the_noise_is_estimated_as_recorded(replay: Replay, assert_near: Near) -> None:
    for i, estimate in enumerate(replay.estimates):
        if f"step.{i}.noise_pred" in replay.recorded:
            assert_near(guide(estimate, float(replay.settings["cfg"])), replay.recorded[f"step.{i}.noise_pred"])


def test_each_step_ends_at_the_recorded_latents(replay: Replay, assert_near: Near) -> None:
    scheduler = SCHEDULER_NAMES[replay.settings["sampler"]]
    calls = num_timesteps(scheduler, int(replay.settings["steps"]), float(replay.settings["strength"]))
    assert len(replay.steps) == calls == sum(key.endswith(".latents_out") for key in replay.recorded)
    for i, step in enumerate(replay.steps):
        assert_near(step["timestep"], replay.recorded[f"step.{i}.t"])
        assert_near(step["latents"], replay.recorded[f"step.{i}.latents_out"])
    assert_near(replay.steps[-1]["latents"], replay.recorded["final_latents"])


def test_the_frames_are_the_recorded_ones(replay: Replay) -> None:
    if "frames" not in replay.recorded:
        pytest.skip("only the latents of this run are recorded")
    actual = replay.output.frames.transpose(1, 2)[:, :, replay.recorded["frames.index"]]
    torch.testing.assert_close(actual, replay.recorded["frames"].float(), rtol=0, atol=1e-3)


def test_every_recorded_random_number_is_used(replay: Replay) -> None:
    assert not any(replay.draws.left.values())
