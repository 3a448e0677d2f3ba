"""The structure of the code: sizes of folders, modules and functions, unique names, names of constants, plain words."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.contracts.plain_english import odd_names

ROOT = Path(__file__).parents[2]
PACKAGES = ("service", "jobs", "worker", "cli", "easyanimate")
MAX_MODULES, MAX_LINES, MAX_BODY_LINES = 12, 300, 40
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FOLDERS = sorted({path.parent for path in FILES})
OLD_BOUNDS = re.compile(r"_?(MOST|LONGEST|LARGEST|SHORTEST|FEWEST)(_|$)")

# Names that several modules may define: entry points, and commands of the command line. No other module imports them.
COMMON_FUNCTIONS = {"main", "list_"}
# Accepted identifiers with a word of the list: names of another library or of a public setting.
NAMES_WITH_A_REASON: dict[str, str] = {
    "made_by": "the field of the public answer of a check of provenance",
    "windows_made": "the field of the public record of a video",
    "tell": "a method of Python's file objects",
    "storage_patience_s": "the field of the public setting EASYANIMATE_STORAGE_PATIENCE_S",
}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# One test reads all files: a test for each of them takes longer than what it checks.


def test_a_folder_has_at_most_twelve_modules() -> None:
    modules = {relative(folder): [path.name for path in folder.glob("*.py")] for folder in FOLDERS}
    assert not {folder: names for folder, names in modules.items() if len(set(names) - {"__init__.py"}) > MAX_MODULES}


def test_a_module_has_at_most_three_hundred_lines() -> None:
    lines = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {path: count for path, count in lines.items() if count > MAX_LINES}


def bodies(path: Path) -> Iterator[tuple[str, int]]:
    """The lines of each function, without its parameters and its docstring."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield node.name, (node.end_lineno or 0) - body[0].lineno + 1


def test_a_function_has_at_most_forty_lines() -> None:
    functions = ((relative(path), *body) for path in FILES for body in bodies(path))
    assert not [(path, name, lines) for path, name, lines in functions if lines > MAX_BODY_LINES]


def test_a_package_describes_its_contents() -> None:
    texts = {relative(folder): ast.get_docstring(parsed(folder / "__init__.py")) or "" for folder in FOLDERS}
    assert not {folder: text for folder, text in texts.items() if len(text.split()) < 5 or "TODO" in text}


def public_definitions(path: Path) -> Iterator[str]:
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name


def test_a_public_name_is_defined_once() -> None:
    files = defaultdict(list)
    for path in FILES:
        for name in public_definitions(path):
            files[name].append(relative(path))
    assert not {name: paths for name, paths in files.items() if len(paths) > 1 and name not in COMMON_FUNCTIONS}


def test_bounds_are_called_min_and_max() -> None:
    names = ((path, node.id) for path in FILES for node in ast.walk(parsed(path)) if isinstance(node, ast.Name))
    assert not [(relative(path), name) for path, name in names if OLD_BOUNDS.match(name)]


def test_identifiers_are_words_of_the_field() -> None:
    odd = ((path, *place) for path in FILES for place in odd_names(path.read_text(encoding="utf-8")))
    assert not [(relative(path), line, name) for path, line, name in odd if name not in NAMES_WITH_A_REASON]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("asked = 1", [(1, "asked")]),
        ("def tell_all(): ...", [(1, "tell_all")]),
        ("class ToldStory: ...", [(1, "ToldStory")]),
        ("def f(given_size): ...", [(1, "given_size")]),
        ("task = 1\nfoundation = 2\nintake = 3", []),
    ],
)
def test_the_list_of_words_is_applied_to_each_kind_of_name(source: str, expected: list[tuple[int, str]]) -> None:
    assert odd_names(source) == expected
