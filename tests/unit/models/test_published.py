"""The names of published models, and which files of a repository are needed; an index leads to no other folder."""

import json

import pytest

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.models.published import needed_files, published_name

NAME = "EasyAnimateV3-XL-2-InP-512x512"
REPOSITORY = f"alibaba-pai/{NAME}"


@pytest.mark.parametrize("name", ["512", "512x512", NAME, REPOSITORY])
def test_a_published_model_has_short_names(name: str) -> None:
    assert published_name(name) == NAME


@pytest.mark.parametrize("name", ["", "1024", "someone/else", "../512"])
def test_a_name_that_is_not_published_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(InvalidInput, match=NAME):
        published_name(name)


def read_nothing(path: str) -> bytes:
    raise AssertionError(f"{path} was read")


def test_of_two_sets_of_weights_one_is_needed() -> None:
    paths = ["vae/config.json", "vae/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.safetensors"]

    assert needed_files(paths, read_nothing) == ["vae/config.json", "vae/diffusion_pytorch_model.safetensors"]


def index_of(*pieces: str) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": {f"key{i}": piece for i, piece in enumerate(pieces)}}).encode()


@pytest.mark.parametrize(
    ("index", "pieces"),
    [
        ("text_encoder/model.safetensors.index.json", ["model.fp16-00001-of-00002.safetensors", "b.safetensors"]),
        ("text_encoder/pytorch_model.bin.index.json", ["pytorch_model-00001-of-00002.bin", "pytorch_model-2.bin"]),
        ("transformer/diffusion_pytorch_model.safetensors.index.fp16.json", ["weights.safetensors"]),
        ("image_encoder/pytorch_model.bin.index.json", ["one.bin"]),
        ("vae/diffusion_pytorch_model.bin.index.json", ["part_a.bin", "part_b.bin"]),
    ],
)
def test_the_pieces_that_are_needed_are_those_the_index_names(index: str, pieces: list[str]) -> None:
    folder = index.split("/")[0]
    named = [f"{folder}/{piece}" for piece in pieces]
    others = [f"{folder}/model-00001-of-00009.safetensors", f"{folder}/optimizer.bin"]

    assert needed_files([index, *named, *others], lambda path: index_of(*pieces)) == sorted([index, *named])


@pytest.mark.parametrize("name", ["../evil.safetensors", "/etc/x.bin", "sub/x.bin", "..", ".hidden.bin", "a\\b.bin"])
def test_an_index_that_names_a_file_outside_its_folder_is_refused(name: str) -> None:
    index = "vae/diffusion_pytorch_model.bin.index.json"

    with pytest.raises(CheckpointError, match="not a file beside it"):
        needed_files([index, name, f"vae/{name}"], lambda path: index_of(name))


def test_an_index_that_names_a_file_the_repository_lacks_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"names b\.bin, which the repository does not have"):
        needed_files(
            ["vae/diffusion_pytorch_model.bin.index.json", "vae/a.bin"], lambda path: index_of("a.bin", "b.bin")
        )


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {}}', b"\xff"])
def test_a_damaged_index_is_named(content: bytes) -> None:
    index = "vae/diffusion_pytorch_model.bin.index.json"

    with pytest.raises(CheckpointError, match=index):
        needed_files([index], lambda path: content)


@pytest.mark.parametrize("path", ["vae/../../evil.json", "/vae/config.json", "transformer/run.py", "assets/a.json"])
def test_files_out_of_place_are_not_needed(path: str) -> None:
    assert needed_files([path], read_nothing) == []
