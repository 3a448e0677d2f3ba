"""The list of models has their sizes and missing files."""

import shutil
from pathlib import Path

from easyanimate.models.local_models import list_loras, list_model_folders


def test_a_whole_model_is_complete(model_copy: Path) -> None:
    (model,) = list_model_folders(model_copy.parent)

    assert (model.name, model.missing, model.unfinished) == (model_copy.name, (), False)


def test_the_size_is_that_of_all_its_files(model_copy: Path) -> None:
    (model,) = list_model_folders(model_copy.parent)

    assert model.size_bytes == sum(path.stat().st_size for path in model_copy.rglob("*") if path.is_file())


def test_what_a_model_lacks_is_named(model_copy: Path) -> None:
    shutil.rmtree(model_copy / "vae")
    (model_copy / "image_encoder" / "preprocessor_config.json").unlink()

    (model,) = list_model_folders(model_copy.parent)

    lacking = ("vae/config.json", "vae/diffusion_pytorch_model.safetensors", "image_encoder/preprocessor_config.json")
    assert model.missing == lacking


def test_an_unfinished_model_is_marked(model_copy: Path) -> None:
    model_copy.rename(model_copy.with_name(".pulling-mine"))

    (model,) = list_model_folders(model_copy.parent)

    assert (model.name, model.unfinished) == ("mine", True)


def test_folders_of_other_things_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / ".cache" / "transformer").mkdir(parents=True)

    assert list_model_folders(tmp_path) == []


def test_a_missing_folder_has_no_models(tmp_path: Path) -> None:
    assert list_model_folders(tmp_path / "none") == []


def test_lora_files_are_listed_by_name(tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "ink.safetensors").write_bytes(b"12345")
    (tmp_path / "loras" / "readme.txt").touch()

    assert [(lora.name, lora.size_bytes) for lora in list_loras(tmp_path)] == [("ink", 5)]
