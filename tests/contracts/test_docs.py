"""Links and names in the documentation exist, and the documentation is complete."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token

from cli.main import app as command_line
from cli.settings import ClientSettings
from docs.reference.generate import PAGES as PAGES_OF_REFERENCE
from docs.reference.generate import generated
from jobs.model.failure import CODES
from jobs.model.request import WEBHOOK_EVENTS
from service.http.error_codes import ERROR_CODES
from service.schemas.requests.create import CreateVideo
from tests.integration.service.openapi.snapshot import operation_names

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@cache
def tokens(page: Path) -> list[Token]:
    result: list[Token] = []
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        result += [token, *(token.children or [])]
    return result


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub derives them."""
    result: list[str] = []
    parsed = MarkdownIt("commonmark").enable("table").parse(page.read_text())
    for before, heading in pairwise(parsed):
        if before.type == "heading_open":
            words = "".join(child.content for child in heading.children or [])
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            result.append(f"{slug}-{result.count(slug)}" if slug in result else slug)
    return set(result)


def links(page: Path) -> list[str]:
    targets = [token.attrGet("href") or token.attrGet("src") for token in tokens(page)]
    return [str(target) for target in targets if target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_target_of_each_link_exists(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_numbered_list_begins_with_1(page: Path) -> None:
    """The site numbers each list from 1: a block between two items is indented, so that it is part of the first."""
    starts = [token.attrGet("start") for token in tokens(page) if token.type == "ordered_list_open"]
    assert set(starts) <= {None, 1}


def test_the_index_links_to_each_page() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - {index} <= listed


def all_pages() -> str:
    return "\n".join(page.read_text() for page in PAGES)


def commands(group: typer.core.TyperGroup, path: str = "easyanimate") -> list[str]:
    result: list[str] = []
    for name, command in group.commands.items():
        is_group = isinstance(command, typer.core.TyperGroup)
        result += commands(command, f"{path} {name}") if is_group else [f"{path} {name}"]
    return result


def command_names() -> list[str]:
    group = typer.main.get_command(command_line)
    assert isinstance(group, typer.core.TyperGroup)
    return commands(group)


@pytest.mark.parametrize("command", command_names())
def test_every_command_is_in_the_documentation(command: str) -> None:
    assert command in all_pages()


def test_every_setting_is_in_the_reference() -> None:
    expected = set(re.findall(r"^#?(EASYANIMATE_\w+)=", (ROOT / ".env.example").read_text(), re.M))
    expected |= {f"EASYANIMATE_{name.upper()}" for name in ClientSettings.model_fields}
    listed = set(re.findall(r"^\| `(EASYANIMATE_\w+)`", (REFERENCE / "settings.md").read_text(), re.M))
    assert listed == expected


def without_parameter_names(text: str) -> str:
    """Replaces the path parameters of a text by `{}`."""
    return re.sub(r"\{\w+\}", "{}", text)


@pytest.mark.parametrize("route", operation_names())
def test_every_route_is_in_the_guide(route: str) -> None:
    assert f"{without_parameter_names(route)}`" in without_parameter_names(all_pages())


@pytest.mark.parametrize("field", sorted(CreateVideo.model_fields))
def test_every_field_of_a_request_is_in_the_guide(field: str) -> None:
    pages = [ROOT / "docs" / "guides" / "api.md", ROOT / "docs" / "guides" / "modes.md"]
    assert any(re.search(rf'[`"]{field}["`]', page.read_text()) for page in pages)


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_each_error_is_in_the_reference_with_its_status(code: str) -> None:
    assert re.search(rf"\| {ERROR_CODES[code].status} \|[^\n]*`{code}`", (REFERENCE / "errors.md").read_text())


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_error_of_a_job_is_in_the_reference(code: str) -> None:
    assert f"`{code}`" in (REFERENCE / "errors.md").read_text()


@pytest.mark.parametrize("event", WEBHOOK_EVENTS)
def test_every_webhook_event_is_in_the_guide(event: str) -> None:
    assert f"`{event}`" in (ROOT / "docs" / "guides" / "api.md").read_text()


def test_no_page_names_a_route_that_does_not_exist() -> None:
    named = re.findall(r"`((?:GET|POST|DELETE|PUT|PATCH) /v1[^`? ]*)", all_pages())
    assert set(map(without_parameter_names, named)) <= set(map(without_parameter_names, operation_names()))


@pytest.mark.parametrize("name", sorted(PAGES_OF_REFERENCE))
def test_the_generated_pages_are_those_of_the_code(name: str) -> None:
    assert (REFERENCE / name).read_text() == generated(name), "run `make reference` and review the changes in Git"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_path_in_a_page_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # it lists former names
        return
    paths = re.findall(
        r"`((?:service|jobs|worker|cli|easyanimate|tests|deploy|docs|benchmarks)/[\w./-]+)`", page.read_text()
    )
    assert not [path for path in paths if not (ROOT / path).exists()]
