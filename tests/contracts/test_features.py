"""The page of features is true line by line: tests, options, arguments, fields and pictures it names are there."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app
from easyanimate import EasyAnimatePipeline
from easyanimate.pipeline import SCHEDULERS
from service.app import create_app
from service.schemas.create import CreateVideo, EditVideo, ExtendVideo, RemixVideo
from service.schemas.video import Video
from service.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "get-started" / "features.md"
COLUMNS = ["feature", "REST", "command line", "Python", "proved by"]
KB = 1000


@cache
def rows() -> list[dict[str, str]]:
    """The features, each a dictionary by column."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells if len(row) == len(COLUMNS) and row != COLUMNS]


def named(column: str) -> list[str]:
    """The texts in backticks of a column."""
    return sorted({name for row in rows() for name in re.findall(r"`([^`]+)`", row[column])})


def test_the_page_has_features_and_each_is_proved_by_something() -> None:
    features = [row for row in rows() if not row["feature"].startswith("---")]
    assert len(features) > 40
    assert all("::" in row["proved by"] for row in features)


@pytest.mark.parametrize("test", named("proved by"))
def test_every_test_it_names_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text())
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name.startswith("test_")
    assert name in functions


def command(path: list[str]) -> Any:
    """The command at the end of the words, and the words that are left."""
    result, words = typer.main.get_command(app), list(path)
    while words and words[0] in getattr(result, "commands", {}):
        result = result.commands[words.pop(0)]
    return result, words


@pytest.mark.parametrize("text", named("command line"))
def test_every_option_it_names_is_there(text: str) -> None:
    words = text.split()
    result, rest = command(words[1:] if words[0] == "easyanimate" else ["generate", *words])
    assert not hasattr(result, "commands"), f"there is no command {text}"
    options = {option for parameter in result.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("-")} <= options
    assert all(word.startswith("-") or word.isdigit() for word in rest)


def attributes(path: str) -> Any:
    """What a dotted path leads to: modules as far as there are some, then attributes."""
    words = path.split(".")
    for length in range(len(words), 0, -1):
        try:
            module = import_module(".".join(words[:length]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, words[length:], module)
    raise AssertionError(f"there is no {path}")


@pytest.mark.parametrize("text", named("Python"))
def test_every_argument_it_names_is_there(text: str) -> None:
    path, _, arguments = text.rstrip(")").partition("(")
    if "." not in path:
        path, arguments = "easyanimate.EasyAnimatePipeline.__call__", text
    result = attributes(path)
    assert set(re.findall(r"\w+", arguments)) <= set(inspect.signature(result).parameters)


@cache
def document() -> dict[str, Any]:
    return create_app(ServiceSettings()).openapi()


@cache
def routes() -> dict[str, set[str]]:
    """The parameters of every route, by method and path."""
    return {
        f"{method.upper()} {path}": {parameter["name"] for parameter in route.get("parameters", ())}
        for path, methods in document()["paths"].items()
        for method, route in methods.items()
    }


@pytest.mark.parametrize("text", named("REST"))
def test_every_field_and_route_it_names_is_there(text: str) -> None:
    if text.startswith("EASYANIMATE_"):
        assert re.search(rf"^#?{text}=", (ROOT / ".env.example").read_text(), re.M)
    elif " " in text:
        route, _, query = text.partition("?")
        assert {pair.partition("=")[0] for pair in query.split("&") if pair} <= routes()[route]
    else:
        assert text in {*CreateVideo.model_fields, *Video.model_fields}


def test_the_fields_of_requests_are_those_of_the_openapi_document() -> None:
    def properties(path: str) -> set[str]:
        body = document()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        return set(body["properties"])

    assert properties("/v1/videos") == set(CreateVideo.model_fields)
    assert properties("/v1/videos/edits") == set(EditVideo.model_fields)
    assert properties("/v1/videos/extensions") == set(ExtendVideo.model_fields)
    assert properties("/v1/videos/{video_id}/remix") == set(RemixVideo.model_fields)


def test_no_argument_of_the_pipeline_and_no_field_is_left_out() -> None:
    arguments = set(inspect.signature(EasyAnimatePipeline.__call__).parameters)
    form = {"self", "output_type", "sample_posterior", "return_dict"}  # not features, but forms of one call
    form |= {"callback_on_step_end_tensor_inputs", "other_arguments"}  # diffusers' own arguments
    assert arguments - form <= set(named("Python"))
    assert {*CreateVideo.model_fields} - {"metadata"} <= set(named("REST"))


def test_it_counts_the_schedulers() -> None:
    assert len(SCHEDULERS) == 9
    assert any(row["feature"].startswith("Nine schedulers") for row in rows())


def pictures() -> Iterator[Path]:
    yield from sorted((ROOT / "docs" / "images").iterdir())


def test_its_pictures_are_all_there_and_no_others() -> None:
    shown = re.findall(r"\]\(\.\./images/([\w.-]+)\)", PAGE.read_text())
    assert sorted(shown) == [path.name for path in pictures()]


def test_its_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in pictures()}
    assert {name: size for name, size in sizes.items() if size > 40 * KB} == {}
    assert sum(sizes.values()) <= 600 * KB


def test_its_pictures_are_those_its_program_makes() -> None:
    tree = ast.parse((ROOT / "docs" / "feature_strips.py").read_text())
    (strips,) = (n.value for n in tree.body if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "STRIPS")
    assert isinstance(strips, ast.Dict)
    names = {f"{ast.literal_eval(key)}.jpg" for key in strips.keys if key is not None}
    assert names == {path.name for path in pictures()}
