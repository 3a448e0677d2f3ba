"""No import cycle between the modules of the product; imports inside of functions and for types do not count."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("easyanimate", "jobs", "service", "worker", "cli")


def module_name(path: Path, root: Path) -> str:
    """`jobs/store/leases.py` -> `jobs.store.leases`; the name of a package for its `__init__.py`."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def top_level_imports(source: str) -> Iterator[tuple[str, str | None]]:
    """Each imported module of `source`, with the imported name for `from module import name`."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def import_graph(root: Path, packages: tuple[str, ...]) -> dict[str, set[str]]:
    """The modules below `root`, each with the modules it imports at its top level."""
    paths = {module_name(path, root): path for package in packages for path in (root / package).rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        imported = top_level_imports(path.read_text(encoding="utf-8"))
        targets = (f"{name}.{member}" if f"{name}.{member}" in paths else name for name, member in imported)
        graph[module] = {target for target in targets if target in paths}
    return graph


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one cycle; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert find_cycle(import_graph(ROOT, PACKAGES)) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [("from shop.first import value", ["first", "second"]), ("def later():\n    import shop.first", [])],
)
def test_a_cycle_is_reported_unless_an_import_is_inside_a_function(
    tmp_path: Path, line: str, expected: list[str]
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "first.py").write_text("from shop import second\n")
    (tmp_path / "shop" / "second.py").write_text(f"{line}\n")

    cycle = find_cycle(import_graph(tmp_path, ("shop",)))

    assert sorted({module.removeprefix("shop.") for module in cycle}) == expected
