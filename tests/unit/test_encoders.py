"""The encoders of a published folder load strictly in each of their forms."""

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPVisionModelWithProjection

from easyanimate.encoders import load_clip, load_t5
from easyanimate.errors import CheckpointError
from easyanimate.rehearsal.layout import clip_pickle, whole_clip_config

GOLDEN = Path(__file__).parents[1] / "golden" / "transformer"
SHARED, TWIN = "shared.weight", "encoder.embed_tokens.weight"
WO = "encoder.block.1.layer.1.DenseReluDense.wo.weight"


def weights_of(kind: str) -> dict[str, Tensor]:
    content = load_file(GOLDEN / f"{kind}_tiny.safetensors")
    return {key.removeprefix("w."): value for key, value in content.items() if key.startswith("w.")}


def folder_of(folder: Path, kind: str, weights: dict[str, Tensor]) -> Path:
    (folder / "config.json").write_text((GOLDEN / f"config_{kind}_tiny.json").read_text())
    save_file(weights, folder / "model.safetensors")
    return folder


def same_t5(folder: Path) -> bool:
    """Whether the text encoder of `folder` has the golden weights, with both tied tables."""
    actual, wanted = load_t5(folder, torch.float32).state_dict(), weights_of("t5")
    return all(torch.equal(actual[key], wanted[key].float()) for key in wanted)


@pytest.mark.parametrize("left_out", [SHARED, TWIN, None])
def test_the_text_table_may_be_under_either_name_or_both(tmp_path: Path, left_out: str | None) -> None:
    weights = {key: value for key, value in weights_of("t5").items() if key != left_out}
    assert same_t5(folder_of(tmp_path, "t5", weights))


def test_text_tables_that_differ_are_refused(tmp_path: Path) -> None:
    weights = weights_of("t5")
    with pytest.raises(CheckpointError, match="differ"):
        load_t5(folder_of(tmp_path, "t5", weights | {TWIN: weights[TWIN] + 1}), torch.float32)


def test_a_missing_text_table_is_named(tmp_path: Path) -> None:
    weights = {key: value for key, value in weights_of("t5").items() if key not in (SHARED, TWIN)}
    with pytest.raises(CheckpointError, match=r"2 missing: shared\.weight"):
        load_t5(folder_of(tmp_path, "t5", weights), torch.float32)


def test_the_text_encoder_holds_one_table_not_two(tmp_path: Path) -> None:
    encoder = load_t5(folder_of(tmp_path, "t5", weights_of("t5")), torch.bfloat16)
    assert encoder.shared.weight is encoder.encoder.embed_tokens.weight


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_the_text_encoder_may_come_in_pieces(tmp_path: Path, suffix: str) -> None:
    weights = weights_of("t5")
    stem = {"safetensors": "model", "bin": "pytorch_model"}[suffix]
    names = {key: f"{stem}-0000{1 + i % 2}-of-00002.{suffix}" for i, key in enumerate(weights)}
    folder = folder_of(tmp_path, "t5", weights)
    (folder / "model.safetensors").unlink()
    for name in set(names.values()):
        piece = {key: weights[key] for key in weights if names[key] == name}
        (save_file if suffix == "safetensors" else torch.save)(piece, folder / name)
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    assert same_t5(folder)


def test_in_float16_the_layers_that_overflow_stay_in_float32(tmp_path: Path) -> None:
    encoder = load_t5(folder_of(tmp_path, "t5", weights_of("t5")), torch.float16)
    kinds = {key.endswith("wo.weight"): value.dtype for key, value in encoder.state_dict().items()}
    assert kinds == {True: torch.float32, False: torch.float16}


@pytest.mark.parametrize("form", ["model.safetensors", "pytorch_model.bin"])
def test_old_position_numbers_of_the_image_encoder_are_ignored(tmp_path: Path, form: str) -> None:
    weights = weights_of("clip") | {"vision_model.embeddings.position_ids": torch.arange(17)[None]}
    folder = folder_of(tmp_path, "clip", weights)
    if form.endswith(".bin"):
        (folder / "model.safetensors").unlink()
        torch.save(weights, folder / form)
    encoder = load_clip(folder, torch.float32)
    assert encoder.vision_model.embeddings.position_ids.tolist() == [list(range(17))]
    assert not encoder.training


@pytest.mark.parametrize(
    ("kind", "load", "key"), [("t5", load_t5, WO), ("clip", load_clip, "visual_projection.weight")]
)
class TestDamage:
    """Files that both loaders refuse."""

    def test_a_missing_key_is_named(self, tmp_path: Path, kind: str, load: Callable, key: str) -> None:
        weights = weights_of(kind)
        del weights[key]
        with pytest.raises(CheckpointError, match=rf"1 missing: {key}"):
            load(folder_of(tmp_path, kind, weights), torch.float32)

    def test_an_unexpected_key_is_named(self, tmp_path: Path, kind: str, load: Callable, key: str) -> None:
        weights = weights_of(kind) | {f"{key}.more": torch.zeros(1)}
        with pytest.raises(CheckpointError, match=rf"1 unexpected: {key}\.more"):
            load(folder_of(tmp_path, kind, weights), torch.float32)

    def test_a_wrong_shape_is_named(self, tmp_path: Path, kind: str, load: Callable, key: str) -> None:
        weights = weights_of(kind)
        with pytest.raises(CheckpointError, match=rf"1 of the wrong shape: {key}"):
            load(folder_of(tmp_path, kind, weights | {key: weights[key][1:].contiguous()}), torch.float32)

    def test_a_file_cut_short_is_named(self, tmp_path: Path, kind: str, load: Callable, key: str) -> None:
        path = folder_of(tmp_path, kind, weights_of(kind)) / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or cut short"):
            load(tmp_path, torch.float32)

    def test_a_config_that_makes_no_model_is_named(self, tmp_path: Path, kind: str, load: Callable, key: str) -> None:
        folder = folder_of(tmp_path, kind, weights_of(kind))
        (folder / "config.json").write_text('{"num_hidden_layers": "many", "num_layers": "many"}')
        with pytest.raises(CheckpointError, match=r"config\.json describes no usable model"):
            load(folder, torch.float32)


TEXT_HALF = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
TEXT_HALF |= {"vocab_size": 99, "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": 1}


def vision_config() -> dict[str, object]:
    return dict(json.loads((GOLDEN / "config_clip_tiny.json").read_text()))


def whole_clip() -> dict[str, Tensor]:
    """The state dict of a whole CLIP model with the golden image encoder, as published: with `position_ids`."""
    config = whole_clip_config(vision_config(), TEXT_HALF)
    whole = CLIPModel(CLIPConfig.from_dict(config)).state_dict()
    return dict(clip_pickle(whole | weights_of("clip"), config))


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("whole_config", [True, False])
@pytest.mark.parametrize("whole_weights", [True, False])
def test_a_whole_clip_model_or_an_image_encoder_loads_with_either_config(
    tmp_path: Path, suffix: str, whole_config: bool, whole_weights: bool
) -> None:
    weights = whole_clip() if whole_weights else weights_of("clip")
    config = whole_clip_config(vision_config(), TEXT_HALF) if whole_config else vision_config()
    (tmp_path / "config.json").write_text(json.dumps(config))
    if suffix == "bin":
        torch.save(OrderedDict(weights), tmp_path / "pytorch_model.bin")
    else:
        save_file(weights, tmp_path / "model.safetensors")

    actual = load_clip(tmp_path, torch.float32).state_dict()

    wanted = weights_of("clip")
    assert actual.keys() == wanted.keys()
    assert all(torch.equal(actual[key], wanted[key].float()) for key in wanted)


def test_the_published_folder_has_the_embedding_of_transformers(tmp_path: Path) -> None:
    config = whole_clip_config(vision_config(), TEXT_HALF)
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.save(OrderedDict(whole_clip()), tmp_path / "pytorch_model.bin")
    side = config["vision_config"]["image_size"]
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))

    loaded = load_clip(tmp_path, torch.float32)
    theirs = CLIPVisionModelWithProjection.from_pretrained(tmp_path)

    assert torch.equal(loaded(pixels).image_embeds, theirs(pixels).image_embeds)


def test_a_tensor_of_neither_half_of_clip_is_refused(tmp_path: Path) -> None:
    weights = whole_clip() | {"vision_model.adapter.weight": torch.ones(2, 2), "other.bias": torch.ones(2)}
    with pytest.raises(CheckpointError, match=r"2 unexpected: other\.bias.*adapter"):
        load_clip(folder_of(tmp_path, "clip", weights), torch.float32)


def test_the_text_half_of_clip_alone_is_refused(tmp_path: Path) -> None:
    weights = {key: value for key, value in whole_clip().items() if not key.startswith("vis")}
    with pytest.raises(CheckpointError, match="missing"):
        load_clip(folder_of(tmp_path, "clip", weights), torch.float32)


def test_position_ids_that_are_not_a_count_are_refused(tmp_path: Path) -> None:
    name = "vision_model.embeddings.position_ids"
    weights = whole_clip()
    with pytest.raises(CheckpointError, match="position_ids"):
        load_clip(folder_of(tmp_path, "clip", weights | {name: weights[name].flip(1).contiguous()}), torch.float32)


def test_what_is_left_aside_of_a_whole_clip_model_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="easyanimate.encoders"):
        load_clip(folder_of(tmp_path, "clip", whole_clip()), torch.float32)

    assert "text half are not used" in caplog.text


@pytest.mark.parametrize("inner", [None, 512])
def test_the_projection_width_is_read_from_the_level_that_fits_the_weights(tmp_path: Path, inner: int | None) -> None:
    config = whole_clip_config(vision_config(), TEXT_HALF)
    for part in ("vision_config", "vision_config_dict"):
        del config[part]["projection_dim"]
        config[part] |= {} if inner is None else {"projection_dim": inner}
    folder_of(tmp_path, "clip", whole_clip())
    (tmp_path / "config.json").write_text(json.dumps(config))

    assert load_clip(tmp_path, torch.float32).config.projection_dim == vision_config()["projection_dim"]
