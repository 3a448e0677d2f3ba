"""Options that several commands share, as classes: a field is an option, with the same name in each command."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_type_hints

import typer

from cli.errors import RefusedCommand

SIZE, SAMPLING, INPUTS, DELIVERY = "Size and length", "Sampling", "Inputs", "Queue and delivery"

Options = TypeVar("Options")
Own = ParamSpec("Own")
Result = TypeVar("Result")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
PromptArgument = Annotated[str | None, typer.Argument(help="What the video shows, in English.", show_default=False)]
ShotsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.yaml",
        help="Make a film of the shots in this file, in place of a prompt and --num-frames.",
        rich_help_panel=INPUTS,
    ),
]
PromptOption = Annotated[str | None, typer.Option("--prompt", help="The prompt as an option, instead of an argument.")]
ModelsDir = Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR", help="The folder of all models.")]


@dataclass(frozen=True)
class GenerationOptions:
    """The options of each command that generates frames, here or by a service. None is the default of the model."""

    negative_prompt: Annotated[str | None, typer.Option(help="What the video does not show.")] = None
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels, multiples of 16.", rich_help_panel=SIZE)] = (
        None
    )
    width: Annotated[int | None, typer.Option(help="Pixels, a multiple of 16.", rich_help_panel=SIZE)] = None
    height: Annotated[int | None, typer.Option(help="Pixels, a multiple of 16.", rich_help_panel=SIZE)] = None
    num_frames: Annotated[
        int | None,
        typer.Option(
            help="Frames of the video; 1 is an image. A service generates multiples of 8 only.", rich_help_panel=SIZE
        ),
    ] = None
    steps: Annotated[int | None, typer.Option(help="Denoising steps.", rich_help_panel=SAMPLING)] = None
    guidance_scale: Annotated[
        float | None,
        typer.Option(help="Weight of the prompt; values up to 1 switch guidance off.", rich_help_panel=SAMPLING),
    ] = None
    scheduler: Annotated[str | None, typer.Option(help="The noise scheduler.", rich_help_panel=SAMPLING)] = None
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same frames.", rich_help_panel=SAMPLING)] = (
        None
    )
    lora: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:SCALE]", help="A LoRA; scale 0.55 if absent. Can be repeated.", rich_help_panel=SAMPLING
        ),
    ] = None
    overlap: Annotated[
        int | None,
        typer.Option(help="Frames that a window shares with the one before, 1 to 4.", rich_help_panel=SAMPLING),
    ] = None
    clip_apply_ratio: Annotated[
        float | None,
        typer.Option(help="Share of the steps that use the CLIP embedding of --image.", rich_help_panel=SAMPLING),
    ] = None
    smooth: Annotated[
        bool | None, typer.Option(help="Smooth the seam every eight frames.", rich_help_panel=SAMPLING)
    ] = None
    clean_caption: Annotated[
        bool | None, typer.Option(help="Clean the prompts as the training did.", rich_help_panel=SAMPLING)
    ] = None
    quality: Annotated[str | None, typer.Option(help="exact, or fast, which is lossy.", rich_help_panel=SAMPLING)] = (
        None
    )


def with_options(
    options: type[Options],
) -> Callable[[Callable[Concatenate[Options, Own], Result]], Callable[..., Result]]:
    """Makes a command of a function whose first parameter is an object of `options`, a data class of options."""

    def decorate(function: Callable[Concatenate[Options, Own], Result]) -> Callable[..., Result]:
        def command(**values: Any) -> Result:
            chosen = options(**{each.name: values.pop(each.name) for each in fields(options)})  # type: ignore[arg-type]
            return function(chosen, **values)  # type: ignore[call-arg]

        _, *own = signature(function, eval_str=True).parameters.values()
        parameters = [*_keywords(own), *_options(options)]
        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__signature__ = signature(function).replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _keywords(parameters: list[Parameter]) -> list[Parameter]:
    return [each.replace(kind=Parameter.KEYWORD_ONLY) for each in parameters]


def _options(options: type[Any]) -> list[Parameter]:
    hints = get_type_hints(options, include_extras=True)
    return [
        Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(options)
    ]


def read_prompt(argument: str | None, option: str | None) -> str:
    """The prompt, from the argument or the option. Raises RefusedCommand unless there is one of them."""
    if argument is not None and option is not None:
        raise RefusedCommand("the prompt is there twice, as an argument and as --prompt; leave one out")
    prompt = option if argument is None else argument
    if prompt is None or not prompt.strip():
        raise RefusedCommand("a prompt is missing: describe what the video shows, in quotes")
    return prompt


def read_prompt_or_none(argument: str | None, option: str | None, shots: Path | None) -> str | None:
    """The prompt; None for a film, whose shots have prompts of their own. Raises RefusedCommand."""
    if shots is None:
        return read_prompt(argument, option)
    if argument is not None or option is not None:
        raise RefusedCommand("the shots of --shots have prompts of their own; leave the prompt out")
    return None


def parse_size(options: GenerationOptions) -> tuple[int | None, int | None]:
    """Width and height in pixels, from --size or --width and --height. Raises RefusedCommand."""
    if options.size is None:
        return options.width, options.height
    if options.width is not None or options.height is not None:
        raise RefusedCommand("--size excludes --width and --height")
    width, _, height = options.size.lower().partition("x")
    if not (width.isascii() and height.isascii() and width.isdigit() and height.isdigit()):
        raise RefusedCommand(f"--size is WIDTHxHEIGHT, as 96x96; got {options.size!r}")
    return int(width), int(height)


def split_scale(text: str) -> tuple[str, float | None]:
    """NAME[:SCALE] of a LoRA; the scale is None without one. A name may contain a colon."""
    name, _, scale = text.rpartition(":")
    try:
        number = float(scale)
    except ValueError:
        return text, None
    return (name, number) if name else (text, None)
