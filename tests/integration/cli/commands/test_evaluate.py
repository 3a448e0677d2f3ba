"""`easyanimate evaluate` with the small model."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from easyanimate.evaluation import METRIC_GROUPS

pytestmark = pytest.mark.slow

SMALL = {"default_width": 64, "default_height": 64, "default_num_frames": 8, "default_num_inference_steps": 2}


@pytest.fixture(autouse=True)
def _data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder with the certificate that signs the sheets."""
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def small(tmp_path: Path, models_dir: Path) -> Path:
    """The small model with a card of small defaults."""
    folder, model = tmp_path / "small", models_dir / "easyanimate-v3-tiny"
    folder.mkdir()
    for part in model.iterdir():
        if part.name != "card.json":
            (folder / part.name).symlink_to(part)
    card = json.loads((model / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **SMALL}))
    return folder


def evaluate(model: Path, output: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", "--model", str(model), "-o", str(output), *arguments])


def test_every_part_is_evaluated_and_reported(small: Path, tmp_path: Path) -> None:
    done = evaluate(small, tmp_path / "out", "--captions", "2", "--floor", "vae.psnr=1", "--floor", "colour=0")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(report["parts"]) == set(METRIC_GROUPS) - {"lora"}
    assert report["model"] == "small"
    assert report["settings"]["num_inference_steps"] == 2
    assert report["parts"]["t2v"]["all"]["clips"] == 2
    assert set(report["parts"]["samplers"]) == set(json.loads((small / "card.json").read_text())["schedulers"])
    share = report["parts"]["t2v"]["all"]["attributes"]["colour"]["share"]
    assert share in (0.0, 0.5, 1.0)  # of two captions
    assert report["floors"][1] == {"name": "t2v.colour", "least": 0.0, "reached": share}
    assert "Text to video" in done.stdout
    for part in report["parts"]:
        with Image.open(tmp_path / "out" / f"{part}.png") as sheet:
            assert sheet.height > 64
    checked = CliRunner().invoke(app, ["verify", str(tmp_path / "out" / "t2v.png")])
    assert checked.exit_code == 0, checked.output
    assert "valid" in checked.output


def test_a_missed_floor_is_exit_code_1_and_the_same_command_resumes(small: Path, tmp_path: Path) -> None:
    options = ("--only", "t2v,vae", "--floor", "vae.psnr=98")
    first = evaluate(small, tmp_path / "out", "--captions", "2", *options)
    assert first.exit_code == 1, first.output
    assert "missed: vae.psnr 98" in first.output
    before = (tmp_path / "out" / "results.jsonl").read_text()
    again = evaluate(small, tmp_path / "out", "--captions", "3", *options, "--json")
    assert again.exit_code == 1, again.output
    assert json.loads(again.stdout)["floors"][0]["name"] == "vae.psnr"
    after = (tmp_path / "out" / "results.jsonl").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == len(before.splitlines()) + 1


def test_an_impossible_evaluation_is_refused_with_one_sentence(small: Path, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    refused = {
        ("--only", "t2v,cats"): "there is no part 'cats'",
        ("--only", "lora"): "needs a LoRA file",
        ("--lora", "missing"): "there is no LoRA file missing",
        ("--captions", "0"): "captions must be 1 or more",
        ("--floor", "colour"): "a floor is NAME=NUMBER",
        ("--only", "vae", "--floor", "colour=0.9"): "evaluated are vae",
        ("--scheduler", "best"): "scheduler must be one of",
        ("--guidance-scale", "-1"): "guidance_scale must be",
        ("--model", "nowhere"): "there is no model folder nowhere",
        ("-o", str(tmp_path / "occupied")): "occupied",
        ("-o", str(tmp_path / "occupied" / "out")): "occupied",
    }
    for arguments, reason in refused.items():
        done = evaluate(small, tmp_path / "out", *arguments)
        assert done.exit_code == 2, (arguments, done.output)
        assert reason in done.output
        assert done.output.startswith("easyanimate evaluate: ")
    assert not (tmp_path / "out").exists()


def test_results_belong_to_one_model_whatever_the_number_of_processes(small: Path, tmp_path: Path) -> None:
    options = ("--captions", "1", "--only", "vae")
    for workers in ("1", "2"):
        done = evaluate(small, tmp_path / workers, *options, "--workers", workers)
        assert done.exit_code == 0, done.output
    one, two = (
        [{**json.loads(line), "seconds": 0} for line in (tmp_path / name / "results.jsonl").read_text().splitlines()]
        for name in ("1", "2")
    )
    assert one == two
    assert len(one) == 2
    other = evaluate(small, tmp_path / "1", *options, "--steps", "3")
    assert other.exit_code == 2
    assert "choose another folder" in other.output
