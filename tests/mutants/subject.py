"""A subject: the modules of one rule, the tests that must notice a change there, and the selected mutants."""

import ast
import hashlib
import random
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cosmic_ray import commands
from cosmic_ray.modules import find_modules
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkItem

from tests.mutants.subject_names import ROOT, SUBJECTS

Position = tuple[int, int]


@dataclass(frozen=True)
class Subject:
    """A rule. `modules` and `tests` are paths relative to the repository."""

    name: str
    modules: tuple[Path, ...]
    tests: tuple[Path, ...]

    @property
    def files(self) -> list[Path]:
        """The modules with code."""
        files = find_modules([ROOT / path for path in self.modules])
        return sorted(path.relative_to(ROOT) for path in files if path.name != "__init__.py")

    def digest(self) -> str:
        """Changes with the code of the modules: results of other code do not count."""
        content = b"".join((ROOT / path).read_bytes() for path in self.files)
        return hashlib.sha256(content).hexdigest()[:12]


def subjects(names: list[str]) -> list[Subject]:
    """The subjects of these names, or all. Raises KeyError."""
    table = tomllib.loads(SUBJECTS.read_text(encoding="utf-8"))
    return [
        Subject(name, tuple(map(Path, table[name]["modules"])), tuple(map(Path, table[name]["tests"])))
        for name in names or table
    ]


def select(subject: Subject, session: Path, seed: int, count: int) -> None:
    """Writes a session with `count` mutants: one of each of `count` places that the seed selects."""
    with use_db(session, WorkDB.Mode.create) as database:
        commands.init(subject.files, database, {})
        places = defaultdict(list)
        for item in sorted(database.work_items, key=_order):
            mutation = item.mutations[0]
            places[mutation.module_path, mutation.start_pos, mutation.end_pos].append(item)
        excluded = {path: list(_excluded(path)) for path in subject.files}
        candidates = [place for place in sorted(places) if not _is_within(place[1], excluded[place[0]])]
        generator = random.Random(f"{seed} {subject.name}")
        generator.shuffle(candidates)
        items = (item for place in candidates if _is_possible(item := generator.choice(places[place])))
        selected = list(islice(items, count))
        database.clear()
        database.add_work_items(selected)


def _is_possible(item: WorkItem) -> bool:
    """Whether the library can write the mutant, and Python can parse it.

    The library cannot mutate `except` with two names, and it takes the `*` before keyword-only arguments for a product.
    """
    mutation = item.mutations[0]
    code = (ROOT / mutation.module_path).read_text(encoding="utf-8")
    line, column = mutation.start_pos
    if code.splitlines()[line - 1][column:].startswith("*,"):
        return False
    try:
        mutated = mutate_code(code, get_operator(mutation.operator_name)(), mutation.occurrence)
        return bool(mutated and ast.parse(mutated))
    except Exception:  # noqa: BLE001 - any error of the library
        return False


def _order(item: WorkItem) -> tuple[object, ...]:
    mutation = item.mutations[0]
    return str(mutation.module_path), mutation.start_pos, mutation.operator_name, mutation.occurrence


def _excluded(path: Path) -> Iterator[tuple[Position, Position]]:
    """Annotations, which have no effect, and calls of a logger, whose text is no rule."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        annotations = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        is_log = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.")
        for part in (*annotations, node if is_log else None):
            if isinstance(part, ast.expr):
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


def _is_within(position: Position, ranges: list[tuple[Position, Position]]) -> bool:
    return any(start <= position < end for start, end in ranges)
