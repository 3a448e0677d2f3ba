"""The tests, options, arguments, fields and images named on the page of features and their tests exist."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from typing import Any, Unpack, get_args, get_origin

import pytest
import typer

from cli.main import app
from easyanimate import EasyAnimatePipeline
from easyanimate.pipeline import SCHEDULERS
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.derived import EditVideo, ExtendVideo, RemixVideo
from service.schemas.video import Video
from tests.integration.service.openapi.snapshot import document

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "proofs.md"
COLUMNS = ["feature", "REST", "command line", "Python", "proved by"]
KB = 1000


@cache
def rows() -> list[dict[str, str]]:
    """The features, each a dictionary by column."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells if len(row) == len(COLUMNS) and row != COLUMNS]


def named(column: str) -> list[str]:
    """The names in a column: its texts in backticks."""
    return sorted({name for row in rows() for name in re.findall(r"`([^`]+)`", row[column])})


def test_each_feature_of_the_page_names_a_test() -> None:
    features = [row for row in rows() if not row["feature"].startswith("---")]
    assert len(features) > 40
    assert all("::" in row["proved by"] for row in features)


def collected_tests(source: str) -> dict[str, str]:
    """The tests that pytest collects from a file, by name, each with the marks that apply to it, as text."""
    return dict(marked_tests(ast.parse(source).body, []))


@cache
def functions_of(path: str) -> dict[str, str]:
    return collected_tests((ROOT / "tests" / path).read_text())


def marked_tests(body: list[ast.stmt], marks: list[str]) -> Iterator[tuple[str, str]]:
    """The tests of a file or class; `marks` are those of its surroundings."""
    assigned = [node for node in body if isinstance(node, ast.Assign)]
    marks = marks + [ast.unparse(node.value) for node in assigned if ast.unparse(node.targets[0]) == "pytestmark"]
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from marked_tests(node.body, [*marks, *map(ast.unparse, node.decorator_list)])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, " ".join([*marks, *map(ast.unparse, node.decorator_list)])


def marks_of(test: str) -> str:
    """The marks of a test that the page names. Fails if pytest does not collect it."""
    path, _, name = test.partition("::")
    assert Path(path).name.startswith("test_"), test
    tests = functions_of(path)
    assert name in tests, test
    return tests[name]


def test_each_named_test_is_collected_and_runs() -> None:
    marks = {test: marks_of(test) for test in named("proved by")}
    assert not [test for test, text in marks.items() if "mark.gpu" not in text and re.search("skip|xfail", text)]


def test_a_feature_is_proved_without_a_gpu_unless_the_page_names_one() -> None:
    for row in rows():
        tests = re.findall(r"`([^`]+)`", row["proved by"])
        on_gpu = [test for test in tests if "mark.gpu" in marks_of(test)]
        assert not on_gpu or "GPU" in row["feature"], on_gpu
        assert len(on_gpu) < len(tests) or not tests, f"no test of {row['feature']} runs without a GPU"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_a(): ...", {"test_a": ""}),
        ("@pytest.mark.skip\ndef test_a(): ...", {"test_a": "pytest.mark.skip"}),
        ("pytestmark = [pytest.mark.gpu]\nasync def test_a(): ...", {"test_a": "[pytest.mark.gpu]"}),
        ("def make():\n    def test_a(): ...", {}),
        ("def check_a(): ...", {}),
        ("@pytest.mark.skip\nclass TestIt:\n    def test_a(self): ...", {"test_a": "pytest.mark.skip"}),
        ("class Helper:\n    def test_a(self): ...", {}),
    ],
)
def test_only_collected_tests_count_as_a_proof(source: str, expected: dict[str, str]) -> None:
    assert collected_tests(source) == expected


def command(path: list[str]) -> Any:
    """The command that the words name, and the remaining words."""
    result, words = typer.main.get_command(app), list(path)
    while words and words[0] in getattr(result, "commands", {}):
        result = result.commands[words.pop(0)]
    return result, words


@pytest.mark.parametrize("text", named("command line"))
def test_each_named_option_exists(text: str) -> None:
    words = text.split()
    result, rest = command(words[1:] if words[0] == "easyanimate" else ["generate", *words])
    assert not hasattr(result, "commands"), f"there is no command {text}"
    options = {option for parameter in result.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if word.startswith("-")} <= options
    assert all(word.startswith("-") or word.isdigit() for word in rest)


def attributes(path: str) -> Any:
    """The object of a dotted path: the longest module name, then attributes."""
    words = path.split(".")
    for length in range(len(words), 0, -1):
        try:
            module = import_module(".".join(words[:length]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, words[length:], module)
    raise AssertionError(f"there is no {path}")


@pytest.mark.parametrize("text", named("Python"))
def test_each_named_argument_exists(text: str) -> None:
    path, _, arguments = text.rstrip(")").partition("(")
    if "." not in path:
        path, arguments = "easyanimate.EasyAnimatePipeline.__call__", text
    result = attributes(path)
    assert set(re.findall(r"\w+", arguments)) <= set(parameters(result))


def parameters(function: Callable[..., Any]) -> Iterator[str]:
    """The names of the parameters, with the keys of a typed `**` parameter."""
    for parameter in inspect.signature(function).parameters.values():
        if get_origin(parameter.annotation) is Unpack:
            yield from get_args(parameter.annotation)[0].__annotations__
        yield parameter.name


@cache
def routes() -> dict[str, set[str]]:
    """The parameter names of each route, by method and path."""
    return {
        f"{method.upper()} {path}": {parameter["name"] for parameter in route.get("parameters", ())}
        for path, methods in document()["paths"].items()
        for method, route in methods.items()
    }


@pytest.mark.parametrize("text", named("REST"))
def test_each_named_field_and_route_exists(text: str) -> None:
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


def test_the_page_names_each_argument_of_the_pipeline_and_each_field() -> None:
    arguments = set(inspect.signature(EasyAnimatePipeline.__call__).parameters)
    not_features = {"self", "output_type", "sample_posterior", "return_dict"}  # they change only the form of a call
    not_features |= {"callback_on_step_end_tensor_inputs", "other_arguments"}  # arguments of diffusers
    assert arguments - not_features <= set(named("Python"))
    assert {*CreateVideo.model_fields} - {"metadata"} <= set(named("REST"))


def test_the_page_states_the_number_of_schedulers() -> None:
    assert len(SCHEDULERS) == 9
    assert any(row["feature"].startswith("Nine schedulers") for row in rows())


def images() -> Iterator[Path]:
    """The strips of the page; the pictures of the studio, in a folder of their own, are on its page."""
    yield from sorted((ROOT / "docs" / "images").glob("*.jpg"))


def test_the_page_shows_each_image_of_the_folder() -> None:
    shown = re.findall(r"\]\(\.\./images/([\w.-]+)\)", PAGE.read_text())
    assert sorted(shown) == [path.name for path in images()]


def test_the_images_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in images()}
    assert {name: size for name, size in sizes.items() if size > 40 * KB} == {}
    assert sum(sizes.values()) <= 600 * KB


def test_the_images_are_those_of_the_program_that_draws_them() -> None:
    tree = ast.parse((ROOT / "docs" / "feature_strips.py").read_text())
    (strips,) = (n.value for n in tree.body if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "STRIPS")
    assert isinstance(strips, ast.Dict)
    names = {f"{ast.literal_eval(key)}.jpg" for key in strips.keys if key is not None}
    assert names == {path.name for path in images()}
