"""The marked examples of the documentation run, page by page, against a running service.

A marked block begins with ```bash run or ```python run. The blocks of a page are one script in an empty folder. Its
address is replaced by that of the service.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from cli.stack.stack import LocalStack

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
LANGUAGES = {"bash run": "{code}", "python run": "python - <<'END_OF_PYTHON'\n{code}END_OF_PYTHON\n"}


def script(page: Path) -> str:
    """The marked blocks of a page as one script."""
    text = page.read_text()
    if not any(f"```{language}" in text for language in LANGUAGES):  # a page is parsed slowly
        return ""
    fences = [token for token in MarkdownIt("commonmark").parse(text) if token.type == "fence"]
    return "".join(LANGUAGES[token.info].format(code=token.content) for token in fences if token.info in LANGUAGES)


QUICK_PAGES = {"README.md", "quick-start.md"}
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if script(page)]


def _marked(page: Path) -> Any:
    """The page; all but the first two that a newcomer reads are slow."""
    return pytest.param(page, marks=() if page.name in QUICK_PAGES else pytest.mark.slow)


def test_these_pages_have_examples() -> None:
    names = {
        "README.md",
        "api.md",
        "integrate.md",
        "library.md",
        "long-videos.md",
        "modes.md",
        "provenance.md",
        "quick-start.md",
    }
    assert {page.name for page in PAGES} == names


@pytest.mark.parametrize("page", [_marked(page) for page in PAGES], ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, stack: LocalStack, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script(page).replace(ADDRESS, stack.url)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "EASYANIMATE_URL": stack.url},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout + done.stderr
