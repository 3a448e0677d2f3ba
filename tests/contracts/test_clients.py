"""The Python client of this repository: size of folders, descriptions, plain names, and its only dependency."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

from tests.contracts.plain_english import odd_names, odd_sentences, texts_in

PROJECT = Path(__file__).parents[2] / "clients" / "python"
FILES = sorted((PROJECT / "easyanimate_client").rglob("*.py"))
GENERATED = ("records.py", "bodies.py", "error_codes.py")
MAX_MODULES = 12


def relative(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=relative)
def test_a_folder_of_the_client_has_at_most_twelve_modules(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MAX_MODULES, modules


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_module_of_the_client_describes_itself_in_plain_words(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source))
    assert odd_names(source) == []
    assert path.name in GENERATED or odd_sentences(texts_in(source)) == []


def test_the_client_imports_httpx_and_the_standard_library_only() -> None:
    imported = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
    assert imported - sys.stdlib_module_names == {"httpx", "easyanimate_client"}
    dependencies = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [name.partition(">")[0] for name in dependencies] == ["httpx"]


def test_types_of_the_client_are_announced() -> None:
    assert (PROJECT / "easyanimate_client" / "py.typed").exists()
