"""Which tests execute the statement of a mutant. Those run first: most mutants need no other test."""

import ast
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.work_item import MutationSpec

from tests.mutants.subject import Subject
from tests.mutants.subject_names import ROOT

MOST_TESTS = 40  # of one run; more would take as long as all


class BaselineFailed(Exception):
    """The tests of a subject fail without a mutant."""


@dataclass(frozen=True)
class ExecutedLines:
    """`seconds` of each test, and the tests of each line: file -> line -> names."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]

    def tests_of(self, mutation: MutationSpec) -> list[str]:
        """The tests that execute the statement of a mutation, the quickest first; none if it runs at import."""
        lines = self.lines.get(str(mutation.module_path), {})
        names = {name for line in _statement(mutation) for name in lines.get(str(line), [])}
        return sorted(names, key=lambda name: (self.seconds[name], name))[:MOST_TESTS]


def record_lines(subject: Subject, command: list[str], copy: Path) -> ExecutedLines:
    """Runs the tests of a subject once, without a mutant. Raises BaselineFailed."""
    output = copy.with_name(f"{copy.name}-lines.json")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MUTANTS_FILES": "\n".join(map(str, subject.files)),
        "MUTANTS_LINES": str(output.resolve()),
    }
    ended = subprocess.run(
        [*command, "-p", "tests.mutants.lines"], cwd=copy, env=environment, check=False, capture_output=True, text=True
    )
    if ended.returncode != 0:
        raise BaselineFailed(ended.stdout[-2000:] + ended.stderr[-2000:])
    return ExecutedLines(**json.loads(output.read_text(encoding="utf-8")))


def _statement(mutation: MutationSpec) -> range:
    """The lines of the innermost statement around a mutation; of a compound statement, those before its body."""
    line = mutation.start_pos[0]
    tree = ast.parse((ROOT / mutation.module_path).read_text(encoding="utf-8"))
    around = [lines for node in ast.walk(tree) if isinstance(node, ast.stmt) and line in (lines := _lines(node))]
    return min(around, key=len, default=range(line, line + 1))


def _lines(node: ast.stmt) -> range:
    decorated = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorated)])
    inner = list(_first_inner_lines(node))
    return range(first, min([(node.end_lineno or node.lineno) + 1, *inner]))


def _first_inner_lines(node: ast.stmt) -> Iterator[int]:
    """The first line of the body, unless it is on the line of the statement."""
    for child in getattr(node, "body", [])[:1]:
        if isinstance(child, ast.stmt) and child.lineno > node.lineno:
            yield child.lineno
