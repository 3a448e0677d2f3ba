"""Checks of the repository as a whole: docstrings, module names, file sizes and credentials."""

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

import easyanimate

ROOT = Path(__file__).parents[2]
PACKAGES = ("easyanimate", "jobs", "service", "worker", "cli")
MB = 10**6
UNWANTED = {
    "a path of a personal machine": r"/(?:home|Users)/\w+/|/roo[t]/",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "an OpenAI key": r"\bsk-[A-Za-z0-9_-]{32,}\b",
}


@cache
def tracked() -> list[Path]:
    """The files under version control; all files without Git."""
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode == 0:
        names = [ROOT / name for name in done.stdout.split("\0") if name]
    else:
        names = [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return [path for path in names if path.is_file()]


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
