"""`easyanimate generate`: renders videos or images to files, without a service."""

import json
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import typer

from cli.errors import ExitCode, exit_on_error
from cli.local.film import Film, read_film
from cli.local.recipe import Recipe, RecipeSettings, Sources, read_image
from cli.local.render import (
    DEFAULT_MODEL,
    CompileOption,
    ContinuationOption,
    CpuThreadsOption,
    ModelOption,
    PhaseClock,
    compiled_of,
    cpu_threads_of,
    find_lora,
    load_for_rendering,
    render_to_file,
    without_collection,
)
from cli.local.source_video import describe_source
from cli.options import (
    INPUTS,
    SAMPLING,
    SIZE,
    AsJson,
    GenerationOptions,
    ModelsDir,
    PromptArgument,
    PromptOption,
    ShotsOption,
    parse_size,
    read_prompt_or_none,
    split_scale,
    with_options,
)
from cli.output_file import check_output, parse_output
from easyanimate.buckets import resize_to_image as size_like
from easyanimate.errors import EasyAnimateError, InvalidInput
from easyanimate.models.lookup import find_model
from easyanimate.windows import FRAMES, ContinuationMode, continues_windows
from jobs.errors import InvalidRequest
from jobs.invalid_settings import InvalidSettings
from jobs.model.model_card import ModelCard
from worker.models.cards import read_card

if TYPE_CHECKING:
    from easyanimate.render import LoraSource

VIDEO_STRENGTH = 0.7  # of a video without a mask, as in later versions of EasyAnimate (spec: pipelines 9)

T = TypeVar("T")


@with_options(GenerationOptions)
def generate(
    options: GenerationOptions,
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    image: Annotated[Path | None, typer.Option(help="The image of the first frame.", rich_help_panel=INPUTS)] = None,
    last_image: Annotated[
        Path | None, typer.Option(help="The last frame; requires --image or --continue.", rich_help_panel=INPUTS)
    ] = None,
    resize_to_image: Annotated[
        bool, typer.Option("--resize-to-image", help="Use the aspect ratio of --image.", rich_help_panel=SIZE)
    ] = False,
    video: Annotated[
        Path | None, typer.Option(help="A video to change; its first frames are used.", rich_help_panel=INPUTS)
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="An image, white where the video changes; needs --video.", rich_help_panel=INPUTS),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="Share of the steps that run; less keeps more of --video. Default: 0.7, with a mask 1.",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    continues: Annotated[
        Path | None, typer.Option("--continue", help="An .mp4 to extend.", rich_help_panel=INPUTS)
    ] = None,
    shots: ShotsOption = None,
    window: Annotated[
        int | None, typer.Option(help="Frames of one window, a multiple of 8.", rich_help_panel=SIZE)
    ] = None,
    continuation: ContinuationOption = FRAMES,
    count: Annotated[
        int,
        typer.Option(min=1, max=1000, help="Number of videos, with this seed and the next.", rich_help_panel=SAMPLING),
    ] = 1,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", parser=parse_output, metavar="PATH", help="An .mp4, or a .png for one frame."),
    ] = Path("out.mp4"),
    model: ModelOption = DEFAULT_MODEL,
    models_dir: ModelsDir = Path("models"),
    memory: Annotated[str, typer.Option(help="auto, normal, low or lowest.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16; auto is float32 on a CPU.")] = "auto",
    cpu_threads: CpuThreadsOption = "auto",
    compile_option: CompileOption = "off",
    marks: Annotated[bool, typer.Option(help="Sign the file and mark it as generated (C2PA, XMP).")] = True,
    as_json: AsJson = False,
) -> None:
    """Render videos or images to files, without a service. Defaults are those of the model's card."""
    interrupted = "stopped; finished files stay, and no unfinished one is left"
    errors = (EasyAnimateError, InvalidRequest, InvalidSettings, OSError)
    with exit_on_error("generate", *errors, code=ExitCode.REFUSED, on_interrupt=interrupted):
        text = read_prompt_or_none(prompt, prompt_option, shots)
        folder = find_model(model, models_dir)
        card = read_card(folder)
        sources = Sources(image, last_image, video, mask, continues)
        film = None if shots is None else _read_film_alone(shots, card, options, sources, count)
        size = parse_size(options)
        if resize_to_image and (image is None or any(size)):
            raise InvalidInput("--resize-to-image takes the size from --image, without --size, --width and --height")
        shape, fps = choose_size(card, size, image if resize_to_image else None, sources)
        settings = read_settings(text or "", options, card, (shape, fps, window), _strength(strength, sources))
        if film is not None:
            settings, sources = film.applied_to(settings)
        settings = with_continuation(settings, continuation, sources)
        recipe = Recipe(settings, sources, tuple(choose_lora(name, models_dir) for name in options.lora or ()))
        check_settings(recipe, card, output)
        files = outputs(output, settings.seed, count)
        check_output(files[-1][1])
        computes = dtype, cpu_threads_of(cpu_threads), None, compiled_of(compile_option)
        render_all(recipe, folder, memory, computes, files, as_json=as_json, marks=marks)


def _read_film_alone(shots: Path, card: ModelCard, options: GenerationOptions, sources: Sources, count: int) -> Film:
    """The film in the file `shots`. Raises InvalidInput beside options that each shot has for itself."""
    if sources.files() or options.num_frames is not None or count > 1:
        raise InvalidInput("--shots excludes --num-frames, --count and all inputs: each shot has its own")
    return read_film(shots, card, options)


def read_settings(
    prompt: str,
    options: GenerationOptions,
    card: ModelCard,
    shape: tuple[tuple[int, int], str, int | None],
    strength: float,
) -> RecipeSettings:
    """The settings of a recipe. `shape` is width and height in pixels, the frame rate, and the frames of a window."""
    (width, height), fps, window = shape
    names = ("overlap", "clip_apply_ratio", "smooth", "clean_caption", "quality")
    chosen = {name: getattr(options, name) for name in names}
    return RecipeSettings(
        prompt=prompt,
        negative_prompt=options.negative_prompt or "",
        width=width,
        height=height,
        num_frames=_or_default(options.num_frames, card.default_num_frames),
        window=_or_default(window, card.window),
        fps=fps,
        num_inference_steps=_or_default(options.steps, card.default_num_inference_steps),
        guidance_scale=_or_default(options.guidance_scale, card.default_guidance_scale),
        scheduler=_or_default(options.scheduler, card.default_scheduler),
        strength=strength,
        seed=_or_default(options.seed, secrets.randbelow(2**31)),
        **{name: value for name, value in chosen.items() if value is not None},
    )


def with_continuation(settings: RecipeSettings, continuation: str, sources: Sources) -> RecipeSettings:
    """The settings with the way in which windows continue, if any does. Raises InvalidInput."""
    if continuation not in get_args(ContinuationMode):
        raise InvalidInput(f"--continuation must be {' or '.join(get_args(ContinuationMode))}, got {continuation!r}")
    shots, extends = len(settings.shots or ()), sources.continues is not None
    continues = continues_windows(settings.num_frames, settings.window, num_shots=shots, extends=extends)
    if not continues or continuation == FRAMES:
        return settings
    return settings.model_copy(update={"continuation": continuation})


def _strength(strength: float | None, sources: Sources) -> float:
    return _or_default(strength, VIDEO_STRENGTH if sources.video and not sources.mask else 1.0)


def _or_default(value: T | None, default: T) -> T:
    return default if value is None else value


def choose_size(
    card: ModelCard, size: tuple[int | None, int | None], like: Path | None, sources: Sources
) -> tuple[tuple[int, int], str]:
    """Width, height and frame rate: of the source video, in the shape of the image `like`, or as requested."""
    if sources.continues is not None:
        video = describe_source(sources.continues)
        if any(size) and size != (video.width, video.height):
            raise InvalidInput(f"{sources.continues} is {video.width}x{video.height}; leave out --width and --height")
        return (video.width, video.height), str(video.frame_rate)
    if sources.video is not None and not any(size):
        video = describe_source(sources.video)
        return card.nearest_size(video.width, video.height), str(card.fps)
    if like is not None:
        from PIL import ImageOps

        return size_like(*ImageOps.exif_transpose(read_image(like)).size, card.base), str(card.fps)
    return (_or_default(size[0], card.default_width), _or_default(size[1], card.default_height)), str(card.fps)


def choose_lora(text: str, models_dir: Path) -> "LoraSource":
    """NAME_OR_FILE[:SCALE] as a file and a scale."""
    from easyanimate.lora import DEFAULT_SCALE
    from easyanimate.render import LoraSource

    name, scale = split_scale(text)
    return LoraSource(find_lora(name, models_dir), DEFAULT_SCALE if scale is None else scale)


def check_settings(recipe: Recipe, card: ModelCard, output: Path) -> None:
    """Refuses what the model cannot render, before it is loaded."""
    settings = recipe.settings
    card.check_size(settings.width, settings.height)
    card.check_sampling(settings.scheduler, settings.num_inference_steps)
    if settings.window > card.window:
        raise InvalidInput(f"{card.name} has windows of at most {card.window} frames, got --window {settings.window}")
    if settings.num_frames > card.max_video_frames:
        raise InvalidInput(f"num_frames must be at most {card.max_video_frames}, got {settings.num_frames}")
    if output.suffix not in (".mp4", ".png"):
        raise InvalidInput(f"the output must end in .mp4 or .png, got {output.name}")
    if output.suffix == ".png" and (settings.num_frames != 1 or recipe.sources.continues):
        raise InvalidInput(f"a .png holds one frame: use --num-frames 1, or an .mp4 for all {settings.num_frames}")
    if recipe.sources.continues and output.exists() and output.samefile(recipe.sources.continues):
        raise InvalidInput(f"{output} is the video to extend; write to another file")


def outputs(path: Path, seed: int, count: int) -> list[tuple[int, Path]]:
    """Each seed and its file; the names of several files contain their seeds."""
    if count == 1:
        return [(seed, path)]
    return [(each, path.with_stem(f"{path.stem}-{each}")) for each in range(seed, seed + count)]


def check_seeds(files: list[tuple[int, Path]]) -> None:
    """Refuses a seed out of range before the model is loaded."""
    from easyanimate.pipeline import Draws

    for seed, _ in files:
        Draws.from_seed(seed)


def render_all(
    recipe: Recipe,
    folder: Path,
    memory: str,
    computes: tuple[str, int | None, None, str | None],
    files: list[tuple[int, Path]],
    *,
    as_json: bool = False,
    marks: bool = True,
) -> None:
    """Loads the model once; shows a bar for each file, then prints what it is, with the seconds of each phase.

    `computes` are the last arguments of `load_for_rendering`.
    """
    with without_collection():
        inputs, clock = recipe.inputs(), PhaseClock()
        check_seeds(files)
        clock.enter("loading")
        model = load_for_rendering(folder, memory, recipe, *computes)
    results = []
    for seed, path in files:
        seeded = replace(inputs, settings={**inputs.settings, "seed": seed})
        count = render_to_file(model, seeded, recipe.loras, path, clock, marks=marks)
        results.append(result_record(recipe, path, count, seed, clock.seconds()))
        if not as_json:
            typer.echo(as_line(results[-1]))
        clock = PhaseClock()
    if as_json:
        typer.echo(json.dumps({"data": results}, indent=2))


def result_record(recipe: Recipe, path: Path, num_frames: int, seed: int, seconds: dict[str, float]) -> dict[str, Any]:
    """What was rendered, as values of JSON."""
    size = f"{recipe.settings.width}x{recipe.settings.height}"
    phases = {name: round(value, 3) for name, value in seconds.items()}
    return {"path": str(path), "size": size, "num_frames": num_frames, "seed": seed, "phase_seconds": phases}


def as_line(result: dict[str, Any]) -> str:
    """The same as one line."""
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result["phase_seconds"].items())
    count = result["num_frames"]
    frames = f"{count} frame{'' if count == 1 else 's'}"
    return f"{result['path']}: {result['size']}, {frames}, seed {result['seed']}; {phases}"
