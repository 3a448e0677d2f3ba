"""The transformer, its parts and its encoders match the reference on small random weights."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPImageProcessor

from easyanimate.encoders import load_clip, load_t5
from easyanimate.errors import CheckpointError
from easyanimate.transformer import EasyAnimateTransformer3DModel, with_position_tables
from easyanimate.transformer.positions import frame_positions, patch_positions, sinusoid
from easyanimate.weights.checkpoint import build_empty

GOLDEN = Path(__file__).parents[1] / "golden" / "transformer"
MODEL_OF_CASE = {
    "case_a_t2v": "a",
    "case_b_i2v": "a",
    "case_c_image": "a",
    "case_d_other_size": "a",
    "case_e_microcond": "b",
}
CLOSE = {"atol": 1e-4, "rtol": 1e-4}
CLOSER = {"atol": 2e-5, "rtol": 1e-4}
EXACT = {"atol": 1e-6, "rtol": 0.0}
# The last bit of exp differs between processors; at position 4095 this is 5e-5 of an angle.
LAST_BIT = {"atol": 1e-4, "rtol": 0.0}


@cache
def golden(name: str) -> dict[str, Tensor]:
    return load_file(GOLDEN / f"{name}.safetensors")


def inputs(name: str) -> dict[str, Tensor]:
    return {key.removeprefix("in."): value for key, value in golden(name).items() if key.startswith("in.")}


def published(folder: Path, which: str) -> Path:
    """A folder in the published layout with the golden model `which`."""
    folder.mkdir()
    (folder / "config.json").symlink_to(GOLDEN / f"config_{which}.json")
    (folder / "diffusion_pytorch_model.safetensors").symlink_to(GOLDEN / f"weights_{which}.safetensors")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EasyAnimateTransformer3DModel]:
    home = tmp_path_factory.mktemp("published")
    return {which: EasyAnimateTransformer3DModel.from_pretrained(published(home / which, which)) for which in "ab"}


@pytest.mark.parametrize("case", MODEL_OF_CASE)
@torch.no_grad()
def test_the_whole_model_matches_the_reference(models: dict[str, Any], case: str) -> None:
    sample = models[MODEL_OF_CASE[case]](**inputs(case)).sample
    torch.testing.assert_close(sample, golden(case)["out.sample"], **CLOSE)


def per_clip(tokens: Tensor) -> Tensor:
    return rearrange(tokens, "(B F) S D -> B (F S) D", F=4)


# The source of each `mid` value: the path of a module, and a function of its arguments and result.
MIDDLE: dict[str, tuple[str, Callable[[tuple, Any], Tensor]]] = {
    "patch_tokens": ("pos_embed", lambda _, out: out),
    "time_emb": ("adaln_single", lambda _, out: out[0]),
    "time_6d": ("adaln_single", lambda _, out: out[1].flatten(1)),
    "caption_tokens": ("caption_projection", lambda _, out: out),
    "clip_flat": ("clip_projection", lambda _, out: out),
    "context": ("transformer_blocks.0.attn2", lambda args, _: args[1]),
    "context_bias": ("transformer_blocks.0.attn2", lambda args, _: args[2]),
    "block_00_output": ("transformer_blocks.0", lambda _, out: out),
    "block_01_attn1_output": ("transformer_blocks.1.attn1", lambda _, out: out),
    "block_01_motion_output": (
        "transformer_blocks.1.attn_temporal",
        lambda _, out: rearrange(out, "B (F h w) C -> B C F h w", F=4, h=8),
    ),
    "block_01_attn2_output": ("transformer_blocks.1.attn2", lambda _, out: out),
    "block_01_ff_output": ("transformer_blocks.1.ff", lambda _, out: out),
    "block_01_output": ("transformer_blocks.1", lambda _, out: out),
    "block_12_output": ("transformer_blocks.12", lambda _, out: out),
    "block_15_input": ("transformer_blocks.15", lambda args, _: args[0]),
    "block_15_output": ("transformer_blocks.15", lambda _, out: out),
    "block_27_input": ("transformer_blocks.27", lambda args, _: args[0]),
    "block_27_output": ("transformer_blocks.27", lambda _, out: out),
    "proj_out": ("proj_out", lambda _, out: out),
}


@pytest.fixture(scope="module")
def middle(models: dict[str, Any]) -> dict[str, Tensor]:
    """All `mid` values of the image-to-video case, with gradients: without them, stages are merged."""
    values: dict[str, Tensor] = {}

    def keep(name: str, read: Callable[[tuple, Any], Tensor]) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple, result: Any) -> None:
            values[name] = read(args, result).detach()

        return hook

    model = models["a"]
    handles = [
        model.get_submodule(path).register_forward_hook(keep(name, read)) for name, (path, read) in MIDDLE.items()
    ]
    model(**inputs("case_b_i2v"))
    for handle in handles:
        handle.remove()
    return values


def test_each_middle_value_of_the_reference_is_compared() -> None:
    assert {f"mid.{name}" for name in MIDDLE} == {key for key in golden("case_b_i2v") if key.startswith("mid.")}


@pytest.mark.parametrize("name", MIDDLE)
def test_each_stage_of_the_model_matches_the_reference(middle: dict[str, Tensor], name: str) -> None:
    torch.testing.assert_close(middle[name], golden("case_b_i2v")[f"mid.{name}"], **CLOSE)


@pytest.mark.parametrize("variant", ["", "_single_frame", "_small"])
@pytest.mark.parametrize(("block", "kind"), [(0, "motion_even"), (1, "motion_odd")])
@torch.no_grad()
def test_one_motion_module_matches_the_reference(models: dict[str, Any], block: int, kind: str, variant: str) -> None:
    inputs = golden(kind)[f"in.x{variant}"]
    frames, rows = inputs.shape[2:4]
    module = models["b"].transformer_blocks[block].attn_temporal
    tokens = module(rearrange(inputs, "B C F h w -> B (F h w) C"), frame_positions(frames, inputs.shape[1]))
    result = rearrange(tokens, "B (F h w) C -> B C F h w", F=frames, h=rows)
    torch.testing.assert_close(result, golden(kind)[f"out.y{variant}"], **CLOSER)


@pytest.mark.parametrize(
    ("name", "rows", "columns", "sample_size"),
    [
        ("s64_32x32", 32, 32, 64),
        ("s64_24x42", 24, 42, 64),
        ("s64_60x60", 60, 60, 64),
        ("s128_64x64", 64, 64, 128),
    ],
)
def test_the_table_of_patches_matches_the_reference(name: str, rows: int, columns: int, sample_size: int) -> None:
    tables = golden("tables_production")
    table = patch_positions(rows, columns, 1152, sample_size=sample_size, patch_size=2)
    torch.testing.assert_close(table[tables[f"pos2d.{name}.rows"]], tables[f"pos2d.{name}.values"], **EXACT)


def test_the_table_of_frames_matches_the_reference() -> None:
    tables = golden("tables_production")
    table = frame_positions(4096, 1152)
    torch.testing.assert_close(table[tables["temporal_pe.rows"]], tables["temporal_pe.values"], **LAST_BIT)


def test_the_sinusoid_of_timesteps_matches_the_reference() -> None:
    tables = golden("tables_production")
    torch.testing.assert_close(sinusoid(tables["timestep.t"]), tables["timestep.sinusoid_256"], **LAST_BIT)


def encoder_folder(folder: Path, kind: str) -> Path:
    (folder / "config.json").symlink_to(GOLDEN / f"config_{kind}_tiny.json")
    content = golden(f"{kind}_tiny")
    weights = {key.removeprefix("w."): value for key, value in content.items() if key.startswith("w.")}
    save_file(weights, folder / "model.safetensors")
    return folder


@torch.no_grad()
def test_the_text_encoder_matches_the_reference(tmp_path: Path) -> None:
    inputs = golden("t5_tiny")
    encoder = load_t5(encoder_folder(tmp_path, "t5"), torch.float32)
    states = encoder(inputs["in.input_ids"], attention_mask=inputs["in.attention_mask"]).last_hidden_state
    torch.testing.assert_close(states, inputs["out.last_hidden_state"], **CLOSER)


@torch.no_grad()
def test_the_image_encoder_matches_the_reference(tmp_path: Path) -> None:
    inputs = golden("clip_tiny")
    result = load_clip(encoder_folder(tmp_path, "clip"), torch.float32)(inputs["mid.pixel_values"])
    torch.testing.assert_close(result.image_embeds, inputs["out.image_embeds"], **CLOSER)
    torch.testing.assert_close(result.last_hidden_state, inputs["out.last_hidden_state"], **CLOSER)


def test_the_image_processor_matches_the_reference() -> None:
    inputs = golden("clip_tiny")
    processor = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=28)
    image = Image.fromarray(np.asarray(inputs["in.image_uint8_hwc"]))
    pixels = processor(image, return_tensors="pt").pixel_values
    torch.testing.assert_close(pixels, inputs["mid.pixel_values"], **CLOSER)


@pytest.mark.parametrize("which", ["a", "b"])
def test_files_without_position_tables_load_equally(models: dict[str, Any], which: str, tmp_path: Path) -> None:
    folder = published(tmp_path / which, which)
    weights = {key: value for key, value in golden(f"weights_{which}").items() if not key.endswith(".pe")}
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    save_file(weights, folder / "diffusion_pytorch_model.safetensors")
    values = EasyAnimateTransformer3DModel.from_pretrained(folder).state_dict()
    assert all(torch.equal(values[key], value) for key, value in models[which].state_dict().items())


@pytest.mark.parametrize("which", ["a", "b"])
def test_an_export_with_position_tables_is_the_published_file(models: dict[str, Any], which: str) -> None:
    exported = with_position_tables(models[which].state_dict(), models[which].config)
    weights = golden(f"weights_{which}")
    assert exported.keys() == weights.keys()
    for key, value in weights.items():
        if key.endswith(".pe"):
            torch.testing.assert_close(exported[key], value.float(), **LAST_BIT)
        else:
            assert torch.equal(exported[key], value.float())


@pytest.mark.parametrize("change", [lambda pe: pe + 0.1, lambda pe: pe[:, 1:], lambda pe: pe.flip(1)])
def test_a_wrong_position_table_is_refused(tmp_path: Path, change: Callable[[Tensor], Tensor]) -> None:
    folder = published(tmp_path / "b", "b")
    weights = dict(golden("weights_b"))
    name = next(key for key in weights if key.endswith("attention_blocks.1.pos_encoder.pe"))
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    save_file(weights | {name: change(weights[name]).contiguous()}, folder / "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match=r"attention_blocks\.1\.pos_encoder\.pe"):
        EasyAnimateTransformer3DModel.from_pretrained(folder)


def test_a_position_table_of_a_block_the_model_lacks_is_unexpected(tmp_path: Path) -> None:
    folder = published(tmp_path / "b", "b")
    weights = golden("weights_b")
    name = next(key for key in weights if key.endswith(".pe"))
    more = {**weights, name.replace("blocks.0", "blocks.9", 1): weights[name].clone()}
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    save_file(more, folder / "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match=r"1 unexpected: transformer_blocks\.9"):
        EasyAnimateTransformer3DModel.from_pretrained(folder)


@pytest.fixture(scope="module")
def production() -> EasyAnimateTransformer3DModel:
    """The published model, on the meta device."""
    settings = json.loads((GOLDEN / "production_config.json").read_text())
    config = EasyAnimateTransformer3DModel.adapt_config({k: v for k, v in settings.items() if not k.startswith("_")})
    return build_empty(lambda: EasyAnimateTransformer3DModel(**config))


def published_entries(kind: str) -> dict[str, list[int]]:
    """The shapes of the published entries of a kind (param or buffer), by name."""
    lines = (GOLDEN / "production_state_dict.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return {key: [int(side) for side in shape.split("x")] for key, shape, _, entry_kind in rows if entry_kind == kind}


def test_the_published_model_has_exactly_the_published_weights(production: EasyAnimateTransformer3DModel) -> None:
    assert {key: list(value.shape) for key, value in production.state_dict().items()} == published_entries("param")


def test_the_published_model_has_the_published_number_of_parameters(production: EasyAnimateTransformer3DModel) -> None:
    assert sum(parameter.numel() for parameter in production.parameters()) == 1_538_364_704


def test_the_published_model_is_exported_with_1417_entries(production: EasyAnimateTransformer3DModel) -> None:
    exported = with_position_tables(production.state_dict(), production.config)
    shapes = {key: list(value.shape) for key, value in exported.items()}
    assert len(shapes) == 1417
    assert shapes == published_entries("param") | published_entries("buffer")
