"""What the sections of the page have in common: stored results, stored texts, and tables."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


def read_result(name: str) -> dict[str, Any]:
    """The stored result of this name; empty if none is stored."""
    path = RESULTS / f"{name}.json"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return result


def write_result(name: str, values: Any) -> None:
    """Stores a result."""
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def stored_section(name: str) -> str:
    """A section whose figures come from another program; its text is stored with them."""
    return (RESULTS / f"{name}.md").read_text(encoding="utf-8")


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])
