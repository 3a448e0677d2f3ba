"""`easyanimate models …`: its output and its exit codes."""

import json
import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from cli.main import app
from easyanimate.models.capacity import Memory
from easyanimate.tiny import TINY_MODEL, copy_tiny_model
from easyanimate.tiny.card import CARD

NAME = "EasyAnimateV3-XL-2-InP-512x512"


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["models", *map(str, arguments)])
    return result.exit_code, result.output


def test_an_archive_is_imported_listed_and_checked(archive: Path, tmp_path: Path) -> None:
    assert run("import", archive, "--models-dir", tmp_path)[0] == 0
    assert f"{NAME}  " in run("list", "--models-dir", tmp_path)[1]
    code, output = run("check", NAME, "--models-dir", tmp_path, "--hashes")
    assert (code, "it loads" in output) == (0, True)


def test_the_words_and_examples_of_the_small_model_are_listed(tmp_path: Path) -> None:
    code, output = run("check", copy_tiny_model(tmp_path / TINY_MODEL))
    assert (code, "shapes: circle, disc" in output, CARD["examples"][0] in output) == (0, True, True)


def test_an_imported_model_under_another_name_has_its_limits(archive: Path, tmp_path: Path) -> None:
    run("import", archive, "--models-dir", tmp_path, "--name", "mine")

    assert "672x384 (up to 262144 pixels), 144 frames  complete" in run("list", "--models-dir", tmp_path)[1]


def test_a_model_that_would_not_load_is_exit_code_1_with_the_list(model_copy: Path) -> None:
    shutil.rmtree(model_copy / "vae")
    (model_copy / "tokenizer" / "spiece.model").unlink()

    code, output = run("check", model_copy)

    assert (code, "2 problems" in output, f"- {model_copy / 'vae'} is missing" in output) == (1, True, True)
    code, output = run("check", model_copy, "--json")
    problems = json.loads(output)["problems"]
    assert (code, len(problems), f"{model_copy / 'vae'} is missing" in problems) == (1, 2, True)


def test_what_fits_into_memory_is_a_table(model_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("easyanimate.models.capacity.is_published_size", lambda report: True)
    memory = Memory("a GPU", 24 * 10**9, is_gpu=True)
    monkeypatch.setattr("easyanimate.models.capacity.free_memory", lambda: memory)

    output = run("check", model_copy)[1]

    assert re.search(r"672x384( +(normal|low)){6}\n", output)


@pytest.mark.parametrize(
    ("free_gb", "row"), [(64, "normal +normal"), (24, "bf16 +bf16"), (18, "bf16-lowest +bf16-lowest"), (8, "no +no")]
)
def test_the_table_without_a_gpu_includes_bfloat16(
    free_gb: int, row: str, model_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("easyanimate.models.capacity.is_published_size", lambda report: True)
    memory = Memory("this machine", free_gb * 10**9, is_gpu=False)
    monkeypatch.setattr("easyanimate.models.capacity.free_memory", lambda: memory)

    output = run("check", model_copy)[1]

    assert re.search(rf"672x384 +{row}", output)
    assert "--dtype bfloat16" in output


def test_a_model_that_holds_nan_is_exit_code_1_with_hashes(model_copy: Path) -> None:
    path = model_copy / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["transformer_blocks.0.attn1.to_q.weight"][0, 0] = float("nan")
    save_file(weights, path)

    code, output = run("check", model_copy, "--hashes")

    assert (code, "1 value of transformer_blocks.0.attn1.to_q.weight is NaN" in output) == (1, True)


def test_the_memory_of_a_model_of_another_size_is_not_estimated(model_copy: Path) -> None:
    assert "for models of the published size only" in run("check", model_copy)[1]


def test_a_published_model_is_checked_by_its_short_name(model_copy: Path) -> None:
    code, output = run("check", "512", "--models-dir", model_copy.parent)

    assert (code, output.startswith(str(model_copy))) == (0, True)


def test_an_unknown_model_is_exit_code_2(tmp_path: Path) -> None:
    code, output = run("check", "nope", "--models-dir", tmp_path)

    assert (code, "there is no model folder" in output) == (2, True)


def test_a_refused_archive_is_exit_code_2_and_one_message(tmp_path: Path) -> None:
    code, output = run("import", tmp_path / "none.tar", "--models-dir", tmp_path)

    assert (code, output.startswith("easyanimate models import: ")) == (2, True)


def test_an_unpublished_name_is_exit_code_2(tmp_path: Path) -> None:
    assert run("pull", "someone/else", "--models-dir", tmp_path)[0] == 2


def test_an_empty_models_folder_is_listed_with_advice(tmp_path: Path) -> None:
    assert "easyanimate models pull 512" in run("list", "--models-dir", tmp_path)[1]


def test_an_interruption_is_exit_code_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("easyanimate.models.transfer.hub.pull_model", interrupt)

    code, output = run("pull", "512", "--models-dir", tmp_path)

    assert (code, "the same command resumes" in output) == (130, True)
