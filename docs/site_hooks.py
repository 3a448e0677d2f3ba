"""Hooks of the site (mkdocs.yml): marks of tested blocks, links out of the documentation, and pages of decisions."""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
DECISION_BOOST = 0.0002  # a title counts a thousand times as much as a text
_FENCE = re.compile(r"^```(\w+) \w+$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def on_config(config: Any) -> Any:
    """Adds the pages of the decisions to the navigation, in order."""
    pages = [f"decisions/{path.name}" for path in sorted((DOCS / "decisions").glob("*.md"))]
    return config if any("Decisions" in entry for entry in config["nav"]) else _with_pages(config, pages)


def _with_pages(config: Any, pages: list[str]) -> Any:
    config["nav"].append({"Decisions": pages})
    return config


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page without the marks of tested blocks, and with the paths of files that are not part of the site.

    Decisions come after guides and reference in the results of a search.
    """
    if page.file.src_path.startswith("decisions/"):
        page.meta["search"] = {"boost": DECISION_BOOST}
    folder = (DOCS / page.file.src_path).parent

    def replaced(match: re.Match[str]) -> str:
        text, target = match.groups()
        path = (folder / target.partition("#")[0]).resolve()
        if ":" in target or path.is_relative_to(DOCS):
            return match[0]
        name = path.relative_to(DOCS.parent).as_posix()
        return text if name in text else f"{text} (`{name}`)"

    return _FENCE.sub(r"```\1", _LINK.sub(replaced, markdown))
