"""A LoRA applied at run time meets the reference, which merges it into the weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from easyanimate.lora import DEFAULT_SCALE, applied, read_lora
from easyanimate.transformer import EasyAnimateTransformer3DModel

GOLDEN = Path(__file__).parents[1] / "golden" / "transformer"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("b")
    (folder / "config.json").symlink_to(GOLDEN / "config_b.json")
    (folder / "diffusion_pytorch_model.safetensors").symlink_to(GOLDEN / "weights_b.safetensors")
    return EasyAnimateTransformer3DModel.from_pretrained(folder)


@torch.no_grad()
def test_a_lora_in_the_trainers_naming_gives_the_recorded_result(model):
    case = load_file(GOLDEN / "case_e_microcond.safetensors")  # the same inputs as the case with LoRA
    inputs = {key.removeprefix("in."): value for key, value in case.items() if key.startswith("in.")}
    expected = load_file(GOLDEN / "case_f_lora.safetensors")["out.sample"]
    with applied({"transformer": model}, [(read_lora(GOLDEN / "lora_b.safetensors"), DEFAULT_SCALE)]) as (report,):
        result = model(**inputs).sample
    assert (report.applied, report.unused) == (54, ())
    torch.testing.assert_close(result, expected, atol=2e-5, rtol=1e-4)
