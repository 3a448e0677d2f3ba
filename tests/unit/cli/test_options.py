"""Options that commands share."""

import inspect
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from cli.deferred import Deferred
from cli.errors import RefusedCommand
from cli.main import COMMANDS, app
from cli.options import GenerationOptions, parse_size, read_prompt, split_scale, with_options
from jobs.version import VERSION


@dataclass(frozen=True)
class Colours:
    """Options of a command in this test."""

    colour: Annotated[str, typer.Option(help="A colour.")] = "red"
    bright: Annotated[bool | None, typer.Option()] = None


def test_the_fields_of_a_class_are_options_of_the_command() -> None:
    command = typer.Typer()

    @command.command()
    @with_options(Colours)
    def paint(options: Colours, shape: Annotated[str, typer.Argument()]) -> None:
        """Paints a shape."""
        typer.echo(f"{shape} {options}")

    runner = CliRunner()
    assert runner.invoke(command, ["circle"]).stdout == "circle Colours(colour='red', bright=None)\n"
    run = runner.invoke(command, ["circle", "--colour", "blue", "--no-bright"])
    assert run.stdout == "circle Colours(colour='blue', bright=False)\n"
    assert "Paints a shape." in runner.invoke(command, ["--help"]).stdout


@pytest.mark.parametrize(("argument", "option", "prompt"), [("a", None, "a"), (None, "b", "b")])
def test_a_prompt_is_an_argument_or_an_option(argument: str | None, option: str | None, prompt: str) -> None:
    assert read_prompt(argument, option) == prompt


@pytest.mark.parametrize(("argument", "option"), [(None, None), ("a", "b"), (" ", None), (None, "")])
def test_a_missing_or_repeated_prompt_is_refused(argument: str | None, option: str | None) -> None:
    with pytest.raises(RefusedCommand):
        read_prompt(argument, option)


def test_a_size_is_one_option_or_two() -> None:
    assert parse_size(GenerationOptions(size="96x64")) == (96, 64)
    assert parse_size(GenerationOptions(width=96)) == (96, None)


@pytest.mark.parametrize("options", [{"size": "96"}, {"size": "-96x64"}, {"size": "x"}, {"size": "9x9", "width": 9}])
def test_another_size_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RefusedCommand):
        parse_size(GenerationOptions(**options))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ink", ("ink", None)), ("ink:0.5", ("ink", 0.5)), ("a:b", ("a:b", None)), (":1", (":1", None)), ("", ("", None))],
)
def test_the_scale_of_a_lora_follows_the_last_colon(text: str, expected: tuple[str, float | None]) -> None:
    assert split_scale(text) == expected


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"easyanimate {VERSION}\n"


HEAVY = ("torch", "boto3", "av", "diffusers", "transformers", "fastapi", "numpy", "PIL", "mcp")


def test_the_command_line_starts_without_heavy_packages() -> None:
    program = f"""
import sys
from typer.testing import CliRunner
from cli.main import COMMANDS, app
assert "generate" in CliRunner().invoke(app, ["--help"]).stdout
print(*[name for name in {(*HEAVY, "pydantic", "structlog", "redis", "httpx")} if name in sys.modules])
CliRunner().invoke(app, ["generate", "--help"])
print(*[name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout == "\n\n"


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_the_list_of_commands_has_the_first_sentences_of_each_command(row: Deferred) -> None:
    command = row.load()
    assert command.name == row.name
    assert " ".join(inspect.cleandoc(command.help).split("\n\n")[0].split()) == row.summary
