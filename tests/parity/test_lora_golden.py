"""A LoRA applied at run time has the results of the reference, which merges it into the weights."""

import lzma
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from easyanimate.lora import DEFAULT_SCALE, applied, read_lora
from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.transformer import EasyAnimateTransformer3DModel

GOLDEN = Path(__file__).parents[1] / "golden" / "transformer"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("b")
    (folder / "config.json").symlink_to(GOLDEN / "config_b.json")
    (folder / "diffusion_pytorch_model.safetensors").symlink_to(GOLDEN / "weights_b.safetensors")
    return EasyAnimateTransformer3DModel.from_pretrained(folder)


@torch.no_grad()
def test_a_lora_in_the_trainers_naming_has_the_recorded_result(model):
    case = load_file(GOLDEN / "case_e_microcond.safetensors")  # the same inputs as the case with LoRA
    inputs = {key.removeprefix("in."): value for key, value in case.items() if key.startswith("in.")}
    expected = load_file(GOLDEN / "case_f_lora.safetensors")["out.sample"]
    with applied({"transformer": model}, [(read_lora(GOLDEN / "lora_b.safetensors"), DEFAULT_SCALE)]) as (report,):
        result = model(**inputs).sample
    assert (report.applied, report.unused) == (54, ())
    torch.testing.assert_close(result, expected, atol=2e-5, rtol=1e-4)


def test_a_whole_run_with_a_lora_is_the_recorded_one(
    tmp_path: Path, recorded_pipe: EasyAnimatePipeline, recorded_run: Any, record_draws: Any, assert_near: Any
) -> None:
    """Covers 651 layers of the transformer and of T5. Random numbers and settings are those of the run without LoRA."""
    plain, settings = recorded_run("t2v_euler")
    recorded, lora_settings = recorded_run("t2v_euler_lora055")
    file = tmp_path / "lora.safetensors"
    file.write_bytes(lzma.decompress((GOLDEN.parent / "pipeline/misc/lora_rank2_alpha1.safetensors.xz").read_bytes()))
    steps = []

    def on_step(_pipe: Any, _index: int, _timestep: Any, kwargs: Any) -> dict[str, Any]:
        steps.append(kwargs["latents"])
        return {}

    with applied(recorded_pipe, [(read_lora(file), float(lora_settings["multiplier"]))]) as (report,):
        recorded_pipe(
            settings["prompt"],
            settings["negative_prompt"],
            height=48,
            width=80,
            num_frames=16,
            num_inference_steps=4,
            guidance_scale=float(settings["cfg"]),
            generator=record_draws(plain),
            callback_on_step_end=on_step,
            output_type="latent",
        )
    assert (report.applied, report.unused) == (637 + 14, ())
    for i, latents in enumerate(steps):
        assert_near(latents, recorded[f"step.{i}.latents_out"])
