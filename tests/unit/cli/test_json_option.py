"""Each command prints one JSON object with `--json`, unless that has no meaning for it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.commands.models import rehearse, train
from cli.commands.operate import up
from cli.main import app
from cli.stack.stack import LocalStack
from easyanimate.rehearsal.report import RehearsalPhase, Report

WITHOUT_JSON = {
    "api": "runs until it is stopped, and has no result; EASYANIMATE_LOG_FORMAT=json is for its log",
    "worker": "as api",
    "keeper": "as api",
    "mcp": "stdout is the protocol, and all of it is JSON",
}
RUNNER = CliRunner()


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """All commands by their words, without groups."""
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


def has_json(command: Any) -> bool:
    return any(option.opts == ["--json"] and option.is_flag for option in command.params)


def test_each_command_has_json_or_a_reason_to_have_none() -> None:
    flags = {name: has_json(command) for name, command in commands(typer.main.get_command(app))}
    assert len(flags) > len(WITHOUT_JSON)
    assert {name for name, is_there in flags.items() if not is_there} == set(WITHOUT_JSON)


def test_a_rehearsal_prints_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(output: Path, size: str) -> Report:
        report = Report(size, "2 CPUs", [RehearsalPhase("load", 3.0)], problems=["a problem"])
        report.write(output)
        return report

    monkeypatch.setattr(rehearse, "run_rehearsal", run)
    monkeypatch.setitem(rehearse.REQUIREMENTS, "small", rehearse.Requirements(0, 0, 1))
    done = RUNNER.invoke(app, ["models", "rehearse", "--size", "small", "--yes", "--json", "--output", str(tmp_path)])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["problems"] == ["a problem"]
    assert "needed: " in done.stderr


def test_the_training_of_the_small_model_prints_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = SimpleNamespace(name="01-vae", kind="vae", is_done=lambda _: False)
    stages = SimpleNamespace(
        read_stages=lambda: (stage,), prepare_stage=lambda *_: tmp_path, finish=lambda output: output / "model"
    )
    monkeypatch.setitem(sys.modules, "easyanimate.tiny.stages", stages)  # without the import of torch
    monkeypatch.setattr(train, "run_training", lambda *_, **__: 0)
    done = RUNNER.invoke(app, ["train", "tiny", "--json", "--output", str(tmp_path)])
    assert json.loads(done.stdout) == {"kind": "tiny", "folder": str(tmp_path / "model")}
    assert done.stderr == "01-vae …\n"


@pytest.mark.parametrize("kind", ["vae", "transformer", "lora"])
def test_a_training_receives_the_option(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_: Any) -> None:
            started.append(command)

        def __enter__(self) -> "Process":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def wait(self) -> int:
            return 0

    monkeypatch.setattr(train, "subprocess", SimpleNamespace(Popen=Process))
    monkeypatch.setattr(train, "signal", SimpleNamespace(SIGINT=2, SIGTERM=15, signal=lambda *_: None))
    assert RUNNER.invoke(app, ["train", kind, "settings.yaml", "--json"]).exit_code == 0
    assert started[0][-3:] == [kind, "settings.yaml", "--json"]


def test_a_ready_service_prints_its_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("start", "stop", "wait_for_stop_request"):
        monkeypatch.setattr(LocalStack, name, lambda _: None)
    monkeypatch.setattr(up, "_install_signal_handlers", lambda _: None)
    folders = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path)]
    done = RUNNER.invoke(app, ["up", "--json", "--port", "8123", *folders])
    values = json.loads(done.stdout)
    assert values["url"] == "http://127.0.0.1:8123"
    assert values["requests"] == str(tmp_path / "data" / "logs" / "api.log")
