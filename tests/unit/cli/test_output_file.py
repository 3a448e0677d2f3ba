"""Outputs are checked before anything is generated for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cli.errors import RefusedCommand
from cli.output_file import check_output, parse_output


@pytest.mark.parametrize("text", ["", "nodir/"])
def test_an_empty_path_and_a_missing_folder_are_no_output(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(typer.BadParameter):
        parse_output(text)


def test_a_folder_that_exists_and_a_file_are_outputs(tmp_path: Path) -> None:
    assert parse_output(f"{tmp_path}/") == tmp_path
    assert parse_output(Path("out.mp4")) == Path("out.mp4")


def test_a_check_leaves_nothing_and_keeps_what_is_there(tmp_path: Path) -> None:
    there = tmp_path / "there.mp4"
    there.write_bytes(b"old")
    check_output(there)
    check_output(tmp_path / "new.mp4")
    assert (list(tmp_path.iterdir()), there.read_bytes()) == ([there], b"old")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nodir/a.mp4", "the folder .* does not exist"), ("folder", "is a folder"), ("x" * 260, "cannot be written")],
)
def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(RefusedCommand, match=reason):
        check_output(tmp_path / name)


def test_a_pipe_is_an_output_only_where_it_gets_the_bytes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_output(tmp_path / "pipe", can_be_special=True)
    with pytest.raises(RefusedCommand, match="is a pipe or a device"):
        check_output(tmp_path / "pipe")


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["models", "list"]])
def test_output_to_a_full_disk_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "cli", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr == "easyanimate: the output cannot be written: No space left on device\n"
