"""An archive from a pipe becomes the same model as the file, or leaves no files."""

import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, BinaryIO

import pytest
from typer.testing import CliRunner

from cli.main import app
from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.models.errors import ModelStoreError
from easyanimate.models.transfer import archive_layout
from easyanimate.models.transfer.archive import import_archive, import_stream

pytestmark = pytest.mark.slow

NAME = "EasyAnimateV3-XL-2-InP-512x512"
Importer = Callable[..., Path]


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


@contextmanager
def piped(content: bytes) -> Iterator[BinaryIO]:
    """The reading end of a pipe into which `content` is written bit by bit."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            try:
                for start in range(0, len(content), 50_001):
                    pipe.write(content[start : start + 50_001])
            except BrokenPipeError:
                pass

    writer = Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        yield pipe  # type: ignore[misc]
    writer.join()


def from_pipe(content: bytes, models_dir: Path, **settings: object) -> Path:
    with piped(content) as stream:
        return import_stream(stream, "the pipe", models_dir, **settings)  # type: ignore[arg-type]


def tar_of(*names: str, size: int = 1) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(b"x" * size))
    return memory.getvalue()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("compression", ["", "gz"])
def test_a_pipe_has_the_same_files_as_the_archive(
    published_folder: Path, pack: Callable[..., Path], models_dir: Path, compression: str
) -> None:
    archive = pack(published_folder, compression)

    streamed = files_of(from_pipe(archive.read_bytes(), models_dir))
    stored = files_of(import_archive(archive, models_dir, force=True))

    sources = [json.loads(files.pop("source.json")) for files in (streamed, stored)]
    assert streamed == stored
    assert sources[0]["files"] == sources[1]["files"]
    assert [path.name for path in models_dir.iterdir()] == [NAME]


def test_a_named_pipe_is_read_once(archive: Path, models_dir: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "model.tar"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", 'cat "$1" > "$2"', "sh", str(archive), str(fifo)]):
        assert import_archive(fifo, models_dir) == models_dir / NAME


def test_the_command_reads_an_archive_from_standard_input(archive: Path, models_dir: Path) -> None:
    command = ["models", "import", "-", "--models-dir", str(models_dir), "--json"]
    done = CliRunner().invoke(app, command, archive.read_bytes())

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"folder": str(models_dir / NAME)}


@contextmanager
def standard_input(file: IO[bytes]) -> Iterator[None]:
    """Inside, `file` is the standard input of this process."""
    saved = os.dup(0)
    os.dup2(file.fileno(), 0)
    try:
        yield
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def test_a_process_reads_an_archive_from_the_file_of_its_standard_input(archive: Path, models_dir: Path) -> None:
    command = ["models", "import", "/dev/stdin", "--models-dir", str(models_dir)]
    with subprocess.Popen(["cat", str(archive)], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        with standard_input(cat.stdout):
            done = CliRunner().invoke(app, command)

    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == f"{models_dir / NAME} is complete and loads"


def test_the_command_refuses_what_is_no_archive_without_a_traceback(models_dir: Path) -> None:
    done = CliRunner().invoke(app, ["models", "import", "-", "--models-dir", str(models_dir)], b"<html>404</html>")

    assert done.exit_code == 2
    assert done.stderr.startswith("easyanimate models import: standard input is a page of HTML")
    assert not models_dir.exists()


def test_a_model_from_a_pipe_can_have_another_name(archive: Path, models_dir: Path) -> None:
    assert from_pipe(archive.read_bytes(), models_dir, name="mine") == models_dir / "mine"


def test_files_without_a_folder_are_taken_from_a_pipe_under_a_name(
    published_folder: Path, tmp_path: Path, models_dir: Path
) -> None:
    with tarfile.open(tmp_path / "flat.tar", "w") as tar:
        tar.add(published_folder, ".")
    content = (tmp_path / "flat.tar").read_bytes()

    with pytest.raises(CheckpointError, match="without their folder; set a name with --name"):
        from_pipe(content, models_dir)
    assert not models_dir.exists() or list(models_dir.iterdir()) == []
    assert from_pipe(content, models_dir, name="mine") == models_dir / "mine"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (tar_of("m/good", "m/../../evil"), "no valid path"),
        (tar_of("m/good", "/etc/passwd"), "no valid path"),
        (tar_of("m/good", "m/good"), "twice"),
        (tar_of("m/good", "m/good/inside"), "inside of a file"),
        (tar_of("m/good", "other/file"), "one folder"),
        (tar_of("m/good", "loose"), "outside of it"),
        (tar_of("m/notes.txt"), "would not load"),
        (tar_of("m/a", size=9000)[:6000], "cut short"),
        (tar_of("m/a", "m/b")[:1024], "the end marker is missing"),
        (gzip.compress(tar_of("m/a", size=9000), mtime=0)[:-6], "cut short"),
        (b"", "no tar archive"),
        (b"PK\x03\x04" + bytes(600), "is a .zip file"),
    ],
)
def test_what_is_refused_from_a_pipe_leaves_nothing(models_dir: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        from_pipe(content, models_dir)
    assert not models_dir.exists() or list(models_dir.iterdir()) == []


def test_a_pipe_that_ends_too_early_leaves_nothing(archive: Path, models_dir: Path) -> None:
    content = archive.read_bytes()

    with pytest.raises(CheckpointError, match="cut short"):
        from_pipe(content[: len(content) * 2 // 3], models_dir)
    assert list(models_dir.iterdir()) == []


@pytest.mark.parametrize(("limit", "value"), [("MAX_ENTRIES", 3), ("MAX_BYTES", 3)])
def test_the_limits_hold_while_a_pipe_is_unpacked(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(archive_layout, limit, value)

    with pytest.raises(CheckpointError, match="unpacks to more than"):
        from_pipe(tar_of(*(f"m/{number}" for number in range(4))), models_dir)
    assert list(models_dir.iterdir()) == []


def test_a_disk_that_fills_while_a_pipe_is_unpacked_leaves_nothing(
    archive: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.disk_usage("/")
    free = iter([1 << 40, 1 << 40, *[1000] * 100])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room._replace(free=next(free)))

    with pytest.raises(ModelStoreError, match="not enough disk space"):
        from_pipe(archive.read_bytes(), models_dir)
    assert list(models_dir.iterdir()) == []


def test_a_name_that_is_there_is_refused_before_the_pipe_is_unpacked(models_dir: Path) -> None:
    (models_dir / "m").mkdir(parents=True)

    with pytest.raises(ModelStoreError, match="--force"):
        from_pipe(tar_of("m/a"), models_dir)
    with pytest.raises(InvalidInput, match="cannot be a model's name"):
        from_pipe(tar_of("loras/a"), models_dir)
    assert [path.name for path in models_dir.iterdir()] == ["m"]
