"""The check of a model folder lists all problems that prevent loading, and no others."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from easyanimate.errors import CheckpointError
from easyanimate.models.finite_values import non_finite_values
from easyanimate.models.inspection import ModelReport, inspect_model
from easyanimate.models.transfer.source import StoredFile, hash_file, write_source

VAE_WEIGHTS = "vae/diffusion_pytorch_model.safetensors"
EditJson = Callable[..., None]


def problems(folder: Path) -> str:
    return "\n".join(inspect_model(folder).problems)


@pytest.fixture(scope="module")
def report(published_folder: Path) -> ModelReport:
    return inspect_model(published_folder)


@pytest.mark.parametrize("folder", ["plain_model", "published_folder", "older_folder"])
def test_a_model_that_loads_has_no_problems(folder: str, request: pytest.FixtureRequest) -> None:
    assert inspect_model(request.getfixturevalue(folder)).problems == ()


def test_every_network_is_named_by_the_class_that_loads_it(report: ModelReport) -> None:
    assert {network.name: network.class_name for network in report.networks} == {
        "text_encoder": "T5EncoderModel",
        "image_encoder": "CLIPVisionModelWithProjection",
        "vae": "AutoencoderKLSlice",
        "transformer": "EasyAnimateTransformer3DModel",
    }


def test_parameters_are_counted_without_what_loading_drops(report: ModelReport, plain_model: Path) -> None:
    counts = {network.name: network.num_parameters for network in report.networks}

    assert counts["vae"] == sum(tensor.numel() for tensor in load_file(plain_model / VAE_WEIGHTS).values())


def test_the_dtype_of_the_file_is_reported(model_copy: Path) -> None:
    path = model_copy / VAE_WEIGHTS
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path)

    assert inspect_model(model_copy).networks[2].dtypes == ("float16",)


def test_all_problems_are_reported_together(model_copy: Path, edit_json: EditJson) -> None:
    (model_copy / "tokenizer" / "spiece.model").unlink()
    (model_copy / "image_encoder" / "preprocessor_config.json").unlink()
    (model_copy / "text_encoder" / "model.fp16-00001-of-00002.safetensors").write_bytes(b"short")
    (model_copy / "text_encoder" / "model.fp16-00002-of-00002.safetensors").unlink()
    edit_json(model_copy / "vae" / "config.json", act_fn="relu", mid_block_type="None")
    edit_json(model_copy / "transformer" / "config.json", qk_norm=True, norm_type="layer_norm")

    listed = problems(model_copy)

    expected = ["spiece.model", "preprocessor_config.json", "00001-of", "00002-of", "act_fn", "mid_block_type"]
    assert [word for word in [*expected, "qk_norm", "norm_type"] if word not in listed] == []


@pytest.mark.parametrize("name", ["tokenizer", "text_encoder", "image_encoder", "vae", "transformer"])
def test_a_missing_folder_is_named(model_copy: Path, name: str) -> None:
    shutil.rmtree(model_copy / name)

    assert inspect_model(model_copy).problems == (f"{model_copy / name} is missing",)


@pytest.mark.parametrize("name", ["model_index.json", "scheduler/scheduler_config.json"])
def test_what_no_loader_reads_may_be_missing(model_copy: Path, name: str) -> None:
    (model_copy / name).unlink()

    assert problems(model_copy) == ""


def test_missing_unexpected_and_misshapen_keys_are_reported_together(model_copy: Path) -> None:
    path = model_copy / VAE_WEIGHTS
    weights = load_file(path)
    del weights["quant_conv.bias"]
    weights["teacher.weight"] = torch.zeros(1)
    weights["post_quant_conv.bias"] = torch.zeros(7)
    save_file(weights, path)

    listed = problems(model_copy)

    words = (
        "1 missing: quant_conv.bias",
        "1 unexpected: teacher.weight",
        "1 of the wrong shape: post_quant_conv.bias",
    )
    assert [word for word in words if word not in listed] == []


def test_a_file_cut_short_is_named(model_copy: Path) -> None:
    path = model_copy / VAE_WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])

    assert f"{path} is damaged or cut short" in problems(model_copy)


def test_a_missing_setting_is_named(model_copy: Path) -> None:
    path = model_copy / "transformer" / "config.json"
    config = json.loads(path.read_text())
    del config["basic_block_type"], config["motion_module_type"]
    path.write_text(json.dumps(config))

    listed = problems(model_copy)

    assert "basic_block_type" in listed
    assert "motion_module_type" in listed


def test_a_setting_of_the_wrong_kind_is_a_problem_and_no_crash(model_copy: Path, edit_json: EditJson) -> None:
    edit_json(model_copy / "vae" / "config.json", ch_mult="1,2")

    assert str(model_copy / "vae") in problems(model_copy)


def test_a_model_without_image_input_is_reported(model_copy: Path, edit_json: EditJson) -> None:
    edit_json(model_copy / "transformer" / "config.json", in_channels=4)
    path = model_copy / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = {name: tensor for name, tensor in load_file(path).items() if not name.startswith("clip_projection.")}
    weights["pos_embed.proj.weight"] = weights["pos_embed.proj.weight"][:, :4].contiguous()
    save_file(weights, path)

    assert inspect_model(model_copy).problems == ("transformer: in_channels is 4; an InP model has 12",)


def test_networks_that_do_not_fit_each_other_are_reported(
    model_copy: Path, plain_model: Path, edit_json: EditJson
) -> None:
    edit_json(model_copy / "image_encoder" / "config.json", projection_dim=64)
    path = model_copy / "image_encoder" / "pytorch_model.bin"
    weights = torch.load(path, weights_only=True)
    weights["visual_projection.weight"] = weights["visual_projection.weight"][:64].clone()
    torch.save(weights, path)

    assert "clip_embed_dim is 768, but projection_dim of the image_encoder is 64" in problems(model_copy)


def test_a_damaged_byte_is_detected_by_its_hash(model_copy: Path) -> None:
    path = model_copy / VAE_WEIGHTS
    write_source(model_copy, {}, {VAE_WEIGHTS: StoredFile(path.stat().st_size, hash_file(path))})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    assert inspect_model(model_copy, hashes=True).problems == (f"{path} is damaged: its hash differs from source.json",)


@pytest.mark.parametrize(
    ("value", "dtype", "kind"),
    [
        (float("nan"), torch.float32, "NaN"),
        (float("-inf"), torch.float16, "infinite"),
        (float("nan"), torch.float8_e4m3fn, "NaN"),
    ],
)
def test_values_without_a_number_are_counted_by_their_tensor(
    value: float, dtype: torch.dtype, kind: str, model_copy: Path
) -> None:
    path = model_copy / VAE_WEIGHTS
    weights = load_file(path)
    weights["quant_conv.bias"][:2] = value
    weights["quant_conv.bias"] = weights["quant_conv.bias"].to(dtype)
    save_file(weights, path)

    assert non_finite_values(model_copy) == [f"{path}: 2 values of quant_conv.bias are {kind}"]


def test_many_tensors_without_numbers_are_summed_up(model_copy: Path) -> None:
    path = model_copy / VAE_WEIGHTS
    weights = {name: torch.full_like(tensor, torch.nan) for name, tensor in load_file(path).items()}
    save_file(weights, path)

    listed = non_finite_values(model_copy)

    assert (len(listed), "more places with NaN" in listed[-1]) == (6, True)


def test_values_that_no_loader_keeps_may_be_nan(model_copy: Path) -> None:
    path = model_copy / VAE_WEIGHTS
    save_file(load_file(path) | {"loss.logvar": torch.tensor(torch.nan)}, path)

    assert non_finite_values(model_copy) == []


def test_values_are_read_only_when_every_byte_is(model_copy: Path) -> None:
    path = model_copy / VAE_WEIGHTS
    save_file(load_file(path) | {"quant_conv.bias": torch.full((8,), torch.nan)}, path)

    assert "NaN" not in problems(model_copy)
    assert "NaN" in "".join(inspect_model(model_copy, hashes=True).problems)


def test_a_file_that_is_in_the_source_and_missing_is_reported(model_copy: Path) -> None:
    write_source(model_copy, {}, {"scheduler/more.json": StoredFile(1, "")})

    assert "more.json is missing, but source.json lists it" in problems(model_copy)


def test_a_file_of_another_size_than_in_the_source_is_reported(model_copy: Path) -> None:
    write_source(model_copy, {}, {"model_index.json": StoredFile(1, "")})

    assert "but had 1 at its arrival" in problems(model_copy)


def test_a_damaged_source_file_is_a_problem_and_no_crash(model_copy: Path) -> None:
    (model_copy / "source.json").write_text('{"files": [1]}')

    assert "source.json cannot be read" in problems(model_copy)


def test_no_folder_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no model folder"):
        inspect_model(tmp_path / "none")
