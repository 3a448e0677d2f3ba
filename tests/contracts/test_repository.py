"""Checks of the repository as a whole: docstrings, module names, file sizes and credentials."""

import ast
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import easyanimate
from jobs.version import VERSION

ROOT = Path(__file__).parents[2]
PACKAGES = ("easyanimate", "jobs", "service", "worker", "cli")
MB = 10**6
UNWANTED = {
    "a path of a personal machine": r"/(?:home|Users)/\w+/|/roo[t]/",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}",
    "an AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "an OpenAI key": r"\bsk-[A-Za-z0-9_-]{32,}\b",
}


def files_of(root: Path) -> list[Path]:
    """The files under version control; without Git, or in an archive, those that .gitignore does not name."""
    if shutil.which("git"):
        done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=root)
        if done.returncode == 0:  # it is not in an archive, nor in a folder of another user
            return [root / name for name in done.stdout.split("\0") if (root / name).is_file()]
    return sorted(unignored_files(root))


def unignored_files(root: Path) -> Iterator[Path]:
    """The files below `root`, without the folders and files that its .gitignore names."""
    lines = [*(root / ".gitignore").read_text().split(), "/.git"]
    patterns = [line.rstrip("/") for line in lines]
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            place = (Path(folder) / name).relative_to(root).as_posix()
            if any(fnmatch(f"/{place}" if pattern.startswith("/") else name, pattern) for pattern in patterns):
                (folders if name in folders else names).remove(name)
        yield from (Path(folder) / name for name in names)


@cache
def tracked() -> list[Path]:
    """The files of this repository."""
    return files_of(ROOT)


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_no_module_calls_print() -> None:
    for path in sources():
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], path


def test_each_module_has_a_docstring() -> None:
    assert [path.name for path in sources() if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_module_has_a_catch_all_name() -> None:
    assert not [path for path in sources() if path.stem in ("utils", "helpers", "misc", "common")]


@pytest.mark.parametrize("name", easyanimate.__all__)
def test_each_public_name_can_be_imported(name: str) -> None:
    assert getattr(easyanimate, name).__name__ == name


def test_no_other_file_is_larger_than_6_mb() -> None:
    model = ROOT / "easyanimate" / "tiny" / "model"
    large = {path: path.stat().st_size for path in tracked() if path.stat().st_size > 6 * MB}
    assert {path.name for path in large if not path.is_relative_to(model)} == set()


def test_the_small_model_has_at_most_15_mb() -> None:
    model = ROOT / "easyanimate" / "tiny" / "model"
    assert sum(path.stat().st_size for path in tracked() if path.is_relative_to(model)) <= 15 * MB


def test_the_golden_numbers_have_at_most_25_mb() -> None:
    golden = [path for path in tracked() if path.is_relative_to(ROOT / "tests" / "golden")]
    assert sum(path.stat().st_size for path in golden) <= 25 * MB


@pytest.mark.parametrize("kind", UNWANTED)
def test_no_file_contains_credentials_or_personal_paths(kind: str) -> None:
    result = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if path != Path(__file__) and re.search(UNWANTED[kind], text):
            result.append(path.relative_to(ROOT).as_posix())
    assert result == []


def test_no_pickle_is_tracked() -> None:
    assert [path for path in tracked() if path.suffix in (".pkl", ".pickle", ".pt", ".pth", ".ckpt")] == []


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    (newest, *_) = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest == version


VERSION_PLACES = {
    "pyproject.toml": r'^version = "(.+)"',
    "clients/python/pyproject.toml": r'^version = "(.+)"',
    "clients/typescript/package.json": r'^  "version": "(.+)"',
    "clients/typescript/package-lock.json": r'^ {2,6}"version": "(.+)",\n.*"license": "Apache-2.0"',
    "docker-compose.yml": r"image: easyanimate-\w+:(.+)",
    "tests/integration/service/openapi/openapi.json": r'^  "version": "(.+)"',
}


@pytest.mark.parametrize("place", VERSION_PLACES)
def test_each_place_has_the_version_of_this_release(place: str) -> None:
    versions = set(re.findall(VERSION_PLACES[place], (ROOT / place).read_text(), re.M))
    assert versions == {VERSION}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with the .gitignore of this one, two files of its own, and files that are ignored."""
    shutil.copy(ROOT / ".gitignore", tmp_path)
    ignored = [
        "models/weights.bin",
        "data/redis/aof",
        ".env",
        ".venv/bin/python",
        "docs/__pycache__/a.pyc",
        "demo/a.mp4",
    ]
    for name in ("README.md", "docs/models/page.md", *ignored):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize("path", ["", os.environ["PATH"]], ids=["without Git", "in an archive"])
def test_the_files_of_the_repository_are_listed_without_git(
    repository: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (repository / ".git").mkdir()  # not a valid one
    (repository / ".git" / "config").touch()
    monkeypatch.setenv("PATH", path)
    names = {file.relative_to(repository).as_posix() for file in files_of(repository)}
    assert names == {".gitignore", "README.md", "docs/models/page.md"}


def test_the_files_of_this_repository_are_the_same_without_git() -> None:
    assert {path for path in tracked() if path.exists()} <= set(unignored_files(ROOT))
