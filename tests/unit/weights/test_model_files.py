"""The weight files of a network: those in its index file, or the one whole file."""

import json
from pathlib import Path

import pytest

from easyanimate.errors import CheckpointError
from easyanimate.weights.model_files import ENCODER_FILES, choose_weights, missing_weights, weight_files

INDEX = "model.safetensors.index.json"


def write_index(folder: Path, *pieces: str) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": {f"key{i}": piece for i, piece in enumerate(pieces)}}))


def test_the_weights_of_a_folder_are_the_pieces_its_index_names(tmp_path: Path) -> None:
    write_index(tmp_path, "odd-name.safetensors", "model.fp16-00001-of-00002.safetensors")
    (tmp_path / "model-00001-of-00009.safetensors").write_bytes(b"")

    assert [path.name for path in weight_files(tmp_path, ENCODER_FILES)] == [
        "model.fp16-00001-of-00002.safetensors",
        "odd-name.safetensors",
    ]


def test_a_piece_that_is_not_there_is_missing(tmp_path: Path) -> None:
    write_index(tmp_path, "a.safetensors", "b.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"")

    assert missing_weights(tmp_path, ENCODER_FILES) == ["b.safetensors"]


def test_a_damaged_index_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text("{")

    assert missing_weights(tmp_path, ENCODER_FILES) == [INDEX]


@pytest.mark.parametrize("piece", ["../a.safetensors", "/a.bin", "a/b.bin", "", ".", "a.txt", "C:\\a.bin"])
def test_a_name_that_leaves_the_folder_or_is_no_weight_file_is_refused(tmp_path: Path, piece: str) -> None:
    write_index(tmp_path, piece)

    with pytest.raises(CheckpointError, match=INDEX):
        weight_files(tmp_path, ENCODER_FILES)


@pytest.mark.parametrize(
    ("names", "variant", "chosen"),
    [
        (["model.safetensors", "model.fp16.safetensors"], None, "model.safetensors"),
        (["model.safetensors", "model.fp16.safetensors"], "fp16", "model.fp16.safetensors"),
        (["model.fp16.safetensors"], None, "model.fp16.safetensors"),
        (["model.safetensors.index.fp16.json"], None, "model.safetensors.index.fp16.json"),
        (["model.fp16.safetensors", "model.bf16.safetensors"], None, None),
        (["model.safetensors"], "fp16", None),
        (["pytorch_model.bin", "model.safetensors.index.json"], None, "model.safetensors.index.json"),
        (["model.fp16-00001-of-00002.safetensors"], None, None),
    ],
)
def test_a_variant_is_used_where_it_is_wanted_or_alone(names: list[str], variant: str | None, chosen: str) -> None:
    weights = choose_weights(names, ENCODER_FILES, variant)

    assert (weights and weights.name) == chosen
