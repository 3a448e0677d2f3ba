"""The parts of the rehearsal at small size: written files have the published layout, load, and are measured."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from cli.commands.models.rehearse import REQUIREMENTS, RehearsalFailed, Requirements, check_machine
from easyanimate.models.inspection import inspect_model
from easyanimate.models.transfer.hub import pull_model
from easyanimate.rehearsal.hub import HubRepository, serve_repository
from easyanimate.rehearsal.layout import TEXT_INDEX, TEXT_PIECES
from easyanimate.rehearsal.report import ActivationRow, RehearsalPhase, Report
from easyanimate.rehearsal.settings import SMALL
from easyanimate.rehearsal.writing import write_published_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[True, False], ids=["newer", "older"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal") / SMALL.name
    write_published_folder(folder, SMALL, newer=request.param, on_file=lambda path: None)
    return folder


def test_written_files_have_the_published_names(folder: Path) -> None:
    assert {path.name for path in (folder / "text_encoder").iterdir()} == {"config.json", TEXT_INDEX, *TEXT_PIECES}
    assert {path.name for path in (folder / "image_encoder").iterdir()} == {
        "config.json",
        "preprocessor_config.json",
        "pytorch_model.bin",
    }
    assert {path.name for path in (folder / "tokenizer").iterdir()} == {
        "added_tokens.json",
        "special_tokens_map.json",
        "spiece.model",
        "tokenizer_config.json",
    }


def test_a_written_model_loads_and_its_unused_tensors_are_reported(folder: Path) -> None:
    report = inspect_model(folder)

    assert not report.problems
    unused = {network.name: set(network.unused_tensors) for network in report.networks}
    assert unused["image_encoder"] >= {"text_model", "logit_scale", "text_projection", "embeddings.position_ids"}
    assert (unused["vae"], unused["transformer"]) == ({"loss"}, {"pos_encoder.pe"})


def test_the_same_seed_writes_the_same_weights(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / SMALL.name
    write_published_folder(again, SMALL, newer=True, on_file=lambda path: None)

    first, second = (torch.load(home / "image_encoder" / "pytorch_model.bin") for home in (folder, again))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_model_pulled_from_the_local_hub_loads(folder: Path, tmp_path: Path) -> None:
    with serve_repository(HubRepository(f"alibaba-pai/{SMALL.name}", folder)) as url:
        pulled = pull_model("512", tmp_path / "models", endpoint=url)

    assert not inspect_model(pulled).problems
    assert not (pulled / "README.md").exists()


@pytest.mark.parametrize("folder", [True], ids=["newer"], indirect=True)
def test_activations_are_measured_in_every_phase(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = "easyanimate.rehearsal.activations"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "argv", [module, str(folder), "32"])
    runpy.run_module(module, run_name="__main__")

    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [row["phase"] for row in rows] == ["encoding", "denoising", "decoding"]
    assert all(row["live_bytes"] > 0 and row["estimated_bytes"] > 0 for row in rows)


def test_too_small_a_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RehearsalFailed, match=r"the disk .* is too small"):
        check_machine(tmp_path, Requirements(10**18, 0, 1))


def test_too_little_memory_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RehearsalFailed, match="memory is too small"):
        check_machine(tmp_path, Requirements(0, 10**18, 1))


def test_the_published_size_needs_at_most_45_gb_of_disk() -> None:
    assert REQUIREMENTS["published"].disk_bytes <= 45 * 10**9


def test_the_report_is_a_table(tmp_path: Path) -> None:
    report = Report(
        "small", "2 CPUs", [RehearsalPhase("load", 3.0, "it loads")], [ActivationRow("decoding", 2_000_000, 1_000_000)]
    )

    text = report.write(tmp_path).read_text()

    assert "| load | 3 | it loads |" in text
    assert "| decoding | 2 | 1 | 0.50 |" in text
