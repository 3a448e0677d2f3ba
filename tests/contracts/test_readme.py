"""The two READMEs have the same structure, and the navigation of the site has each page."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))


def blocks(text: str) -> list[str]:
    """The blocks of code and the indented commands, without comments."""
    fenced = re.findall(r"^```.*?^```", text, re.M | re.S)
    indented = [line.partition("#")[0].strip() for line in re.findall(r"^ {4}(make \S.*)$", text, re.M)]
    return fenced + indented


def shape(text: str) -> list[str]:
    """The levels of headings, the first cells of tables that are code, and the images, in order."""
    return re.findall(r"^#{1,3}(?= )|^\| `[^`]+`|^\|---.*|^- |\]\([^)]*\.gif\)", text, re.M)


def targets(text: str) -> list[str]:
    return sorted(target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("README"))


@pytest.mark.parametrize("part", [blocks, shape, targets], ids=lambda part: part.__name__)
def test_both_readmes_have_the_same(part: object) -> None:
    assert callable(part)
    assert part(CHINESE) == part(ENGLISH)


def test_the_readmes_have_the_same_numbers() -> None:
    def numbers(text: str) -> list[str]:
        return sorted(
            set(re.findall(r"\d[\d.x]*\d|\d", re.sub(r"^```.*?^```|\]\([^)]*\)", "", text, flags=re.M | re.S)))
        )

    assert numbers(CHINESE) == numbers(ENGLISH)


def test_both_readmes_link_to_each_other() -> None:
    assert "(README.zh-CN.md)" in ENGLISH
    assert "(README.md)" in CHINESE


def nav_pages(entry: object) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    values = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else []
    return [page for value in values for page in nav_pages(value)]


def test_the_navigation_of_the_site_has_each_page_once() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    listed = nav_pages(yaml.safe_load(text)["nav"])
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(page for page in pages if not page.startswith("decisions/"))  # a hook adds those
