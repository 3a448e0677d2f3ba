"""Fitting weights load bit-equal; others are refused with the file and the keys."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from safetensors.torch import save_file
from torch import Tensor, nn

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.weights.checkpoint import PublishedWeights, assign_strictly, build_empty, read_state_dict


class Tiny(PublishedWeights, ModelMixin, ConfigMixin):
    """Two linear layers and a computed buffer."""

    @register_to_config
    def __init__(self, width: int, depth: int = 2) -> None:
        super().__init__()
        if width < 1:
            raise InvalidInput(f"width must be at least 1, got {width}")
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.register_buffer("ramp", torch.arange(width), persistent=False)


SAFETENSORS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: value.clone() for name, value in Tiny(width=3).state_dict().items()}


@pytest.fixture
def folder(tmp_path: Path, weights: dict[str, Tensor]) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "Someone elses", "width": 3, "decay": 0.9}))
    save_file(weights, tmp_path / SAFETENSORS)
    return tmp_path


def same(model: nn.Module, weights: dict[str, Tensor]) -> bool:
    actual = model.state_dict()
    return actual.keys() == weights.keys() and all(torch.equal(actual[key], weights[key]) for key in weights)


def test_a_published_folder_loads_bit_for_bit(folder: Path, weights: dict[str, Tensor]) -> None:
    assert same(Tiny.from_pretrained(folder), weights)


def test_a_loaded_model_is_in_evaluation_mode(folder: Path) -> None:
    assert not Tiny.from_pretrained(folder).training


def test_a_computed_buffer_is_real_after_loading(folder: Path) -> None:
    assert Tiny.from_pretrained(folder).ramp.tolist() == [0, 1, 2]


def test_an_unknown_setting_stays_readable(folder: Path) -> None:
    assert Tiny.from_pretrained(folder).config.decay == 0.9


def test_settings_that_are_not_used_are_named_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    Tiny.from_pretrained(folder)
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder / 'config.json'} has settings that are not used: decay"
    ]


def test_auto_is_the_number_type_of_the_file(folder: Path, weights: dict[str, Tensor]) -> None:
    save_file({key: value.half() for key, value in weights.items()}, folder / SAFETENSORS)
    assert Tiny.from_pretrained(folder, torch_dtype="auto").dtype == torch.float16


def test_auto_is_the_number_type_of_most_values(folder: Path, weights: dict[str, Tensor]) -> None:
    mixed = {key: value.half() if key.endswith("weight") else value for key, value in weights.items()}
    save_file(mixed, folder / SAFETENSORS)  # two tensors of each type, the larger ones in float16
    assert Tiny.from_pretrained(folder, torch_dtype="auto").dtype == torch.float16


def test_auto_is_float32_for_a_type_that_is_only_stored(folder: Path, weights: dict[str, Tensor]) -> None:
    save_file({key: value.to(torch.float8_e4m3fn) for key, value in weights.items()}, folder / SAFETENSORS)
    assert Tiny.from_pretrained(folder, torch_dtype="auto").dtype == torch.float32


@pytest.mark.parametrize("pickled", [True, False])
def test_a_saved_variant_is_read(folder: Path, weights: dict[str, Tensor], tmp_path: Path, pickled: bool) -> None:
    again = tmp_path / "again"
    Tiny.from_pretrained(folder).save_pretrained(again, variant="fp16", safe_serialization=not pickled)
    assert same(Tiny.from_pretrained(again, variant="fp16", use_safetensors=not pickled), weights)


@pytest.mark.parametrize("name", ["quantization_config", "parallel_config", "ignore_mismatched_sizes", "unheard_of"])
def test_an_argument_that_cannot_be_honoured_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        Tiny.from_pretrained(folder, **{name: True})


def test_a_dictionary_of_number_types_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="not a dictionary"):
        Tiny.from_pretrained(folder, torch_dtype={"layers": torch.float16})


def test_another_file_format_than_requested_is_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="use_safetensors is False"):
        Tiny.from_pretrained(folder, use_safetensors=False)


def test_a_byte_order_mark_changes_nothing(folder: Path, weights: dict[str, Tensor]) -> None:
    path = folder / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert same(Tiny.from_pretrained(folder), weights)


def test_a_subfolder_can_be_named(folder: Path, weights: dict[str, Tensor]) -> None:
    assert same(Tiny.from_pretrained(folder.parent, subfolder=folder.name), weights)


def test_half_precision_weights_become_float32(folder: Path, weights: dict[str, Tensor]) -> None:
    half = {key: value.half() for key, value in weights.items()}
    save_file(half, folder / SAFETENSORS)
    assert same(Tiny.from_pretrained(folder), {key: value.float() for key, value in half.items()})


def test_the_dtype_can_be_chosen(folder: Path) -> None:
    assert Tiny.from_pretrained(folder, torch_dtype=torch.bfloat16).dtype == torch.bfloat16


def test_saving_and_loading_again_changes_no_bit(folder: Path, weights: dict[str, Tensor], tmp_path: Path) -> None:
    again = tmp_path / "again"
    Tiny.from_pretrained(folder).save_pretrained(again)
    assert same(Tiny.from_pretrained(again), weights)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "pytorch_model.bin"])
def test_a_pickle_of_tensors_serves_where_there_are_no_safetensors(
    folder: Path, weights: dict[str, Tensor], name: str
) -> None:
    (folder / SAFETENSORS).unlink()
    torch.save(weights, folder / name)
    assert same(Tiny.from_pretrained(folder), weights)


def test_a_pickle_in_the_format_before_zip_is_read(folder: Path, weights: dict[str, Tensor]) -> None:
    (folder / SAFETENSORS).unlink()
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert same(Tiny.from_pretrained(folder), weights)


def test_a_trainers_wrapper_is_taken_off(folder: Path, weights: dict[str, Tensor]) -> None:
    (folder / SAFETENSORS).unlink()
    torch.save({"state_dict": weights}, folder / "pytorch_model.bin")
    assert same(Tiny.from_pretrained(folder), weights)


class Hostile:
    """Unpickling it calls a function that creates a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(folder: Path, tmp_path: Path, zipped: bool) -> None:
    (folder / SAFETENSORS).unlink()
    trace = tmp_path / "it_ran"
    torch.save({"a": Hostile(trace)}, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin .*more than tensors"):
        Tiny.from_pretrained(folder)
    assert not trace.exists()


@pytest.mark.parametrize("content", [["no", "dictionary"], {"a": 1}, {"state_dict": {"a": "text"}}])
def test_a_pickle_of_something_else_is_refused(folder: Path, content: object) -> None:
    (folder / SAFETENSORS).unlink()
    torch.save(content, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        Tiny.from_pretrained(folder)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_pickle_cut_short_is_refused(folder: Path, weights: dict[str, Tensor], kept: float, zipped: bool) -> None:
    (folder / SAFETENSORS).unlink()
    path = folder / "pytorch_model.bin"
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is damaged"):
        Tiny.from_pretrained(folder)


def test_bytes_that_are_no_pickle_are_refused(folder: Path) -> None:
    (folder / SAFETENSORS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps("hello") + b"\x00" * 40)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        Tiny.from_pretrained(folder)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_safetensors_cut_short_are_refused(folder: Path, kept: float) -> None:
    path = folder / SAFETENSORS
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"safetensors is damaged or cut short"):
        Tiny.from_pretrained(folder)


def test_a_missing_key_is_named(folder: Path, weights: dict[str, Tensor]) -> None:
    del weights["layers.1.bias"]
    save_file(weights, folder / SAFETENSORS)
    with pytest.raises(CheckpointError, match=r"1 missing: layers\.1\.bias \[3\]"):
        Tiny.from_pretrained(folder)


def test_an_unexpected_key_is_named(folder: Path, weights: dict[str, Tensor]) -> None:
    save_file(weights | {"layers.7.bias": torch.zeros(2)}, folder / SAFETENSORS)
    with pytest.raises(CheckpointError, match=r"1 unexpected: layers\.7\.bias \[2\]"):
        Tiny.from_pretrained(folder)


def test_a_wrong_shape_is_named_with_the_right_one(folder: Path, weights: dict[str, Tensor]) -> None:
    save_file(weights | {"layers.0.weight": torch.zeros(4, 3)}, folder / SAFETENSORS)
    with pytest.raises(CheckpointError, match=r"layers\.0\.weight \[4, 3\] instead of \[3, 3\]"):
        Tiny.from_pretrained(folder)


def test_integers_where_weights_belong_are_refused(folder: Path, weights: dict[str, Tensor]) -> None:
    save_file(weights | {"layers.0.bias": torch.zeros(3, dtype=torch.int64)}, folder / SAFETENSORS)
    with pytest.raises(CheckpointError, match=r"layers\.0\.bias"):
        Tiny.from_pretrained(folder)


def test_a_message_spells_out_three_keys_and_counts_the_rest(weights: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"here does not fit Tiny: 6 missing: .* and 3 more$"):
        assign_strictly(Tiny(width=3, depth=5), weights, "here")


def test_a_refused_file_changes_no_weight(weights: dict[str, Tensor]) -> None:
    model = Tiny(width=3)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError):
        assign_strictly(model, weights | {"more": torch.zeros(1)}, "here")
    assert same(model, before)


def test_an_empty_model_needs_no_memory_for_weights() -> None:
    assert all(weight.is_meta for weight in build_empty(lambda: Tiny(width=3)).parameters())


def test_an_empty_model_has_its_computed_buffers_and_draws_no_numbers() -> None:
    class Filled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(3))
            nn.init.normal_(self.weight)
            nn.init.zeros_(self.weight)
            self.register_buffer("table", torch.empty(3).fill_(2.0).mul_(2))

    before = torch.get_rng_state()
    model = build_empty(Filled)
    assert model.weight.is_meta
    assert model.table.tolist() == [4.0, 4.0, 4.0]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("text", ["{", "[]", "\x00", '"width"'])
def test_a_config_that_is_no_object_of_settings_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        Tiny.from_pretrained(folder)


def test_a_config_that_lacks_a_setting_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"config\.json lacks width"):
        Tiny.from_pretrained(folder)


def test_a_setting_the_model_cannot_work_with_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"width": 0}')
    with pytest.raises(CheckpointError, match=r"width must be at least 1"):
        Tiny.from_pretrained(folder)


def test_a_missing_config_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        Tiny.from_pretrained(folder)


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / SAFETENSORS).unlink()
    with pytest.raises(CheckpointError, match=r"holds no weights; expected one of"):
        Tiny.from_pretrained(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a folder"):
        read_state_dict(tmp_path / "nowhere")


def split_in_two(folder: Path, weights: dict[str, Tensor]) -> Path:
    """Replaces the weights by two pieces and an index; returns the second piece."""
    (folder / SAFETENSORS).unlink()
    names = {key: f"piece-{number % 2}.safetensors" for number, key in enumerate(weights)}
    for piece in set(names.values()):
        save_file({key: weights[key] for key in weights if names[key] == piece}, folder / piece)
    (folder / f"{SAFETENSORS}.index.json").write_text(json.dumps({"weight_map": names}))
    return folder / "piece-1.safetensors"


def test_pieces_are_put_together(folder: Path, weights: dict[str, Tensor]) -> None:
    split_in_two(folder, weights)
    assert same(Tiny.from_pretrained(folder), weights)


def test_a_missing_piece_is_named(folder: Path, weights: dict[str, Tensor]) -> None:
    split_in_two(folder, weights).unlink()
    with pytest.raises(CheckpointError, match=r"piece-1\.safetensors is missing"):
        Tiny.from_pretrained(folder)


@pytest.mark.parametrize("index", ["{}", "[]", "x", '{"weight_map": {"a": "../outside.safetensors"}}'])
def test_an_index_that_names_no_files_beside_it_is_refused(folder: Path, index: str) -> None:
    (folder / SAFETENSORS).unlink()
    (folder / f"{SAFETENSORS}.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=r"index\.json"):
        Tiny.from_pretrained(folder)


def test_a_buffer_that_no_file_fills_is_refused() -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("ramp", torch.empty(3, device="meta"), persistent=False)
    with pytest.raises(CheckpointError, match="there leaves 1 tensors empty: ramp"):
        assign_strictly(model, {"weight": torch.ones(2, 2), "bias": torch.ones(2)}, "there")
