"""`easyanimate generate`: renders videos or images to files, without a service."""

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.errors import exit_on_error
from cli.local.recipe import Recipe, RecipeSettings, Sources, read_image
from cli.local.render import (
    DEFAULT_MODEL,
    CpuThreadsOption,
    ModelOption,
    PhaseClock,
    cpu_threads_of,
    find_lora,
    load_for_rendering,
    render_to_file,
)
from cli.local.source_video import describe_source
from easyanimate.buckets import resize_to_image as size_like
from easyanimate.errors import EasyAnimateError, InvalidInput
from easyanimate.models.lookup import find_model
from easyanimate.windows import DEFAULT_OVERLAP
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from worker.models.cards import read_card

if TYPE_CHECKING:
    from easyanimate.render import LoraSource

VIDEO_STRENGTH = 0.7  # of a video without a mask, as in later versions of EasyAnimate (spec: pipelines 9)

T = TypeVar("T")


def generate(
    prompt: Annotated[str, typer.Option(help="The content of the video, in English.")],
    negative_prompt: Annotated[str, typer.Option(help="Content to avoid.")] = "",
    image: Annotated[Path | None, typer.Option(help="The image of the first frame.")] = None,
    last_image: Annotated[Path | None, typer.Option(help="The last frame; requires --image or --continue.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video to change; its first frames are used.")] = None,
    mask: Annotated[Path | None, typer.Option(help="An image, white where the video changes; needs --video.")] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="Share of the denoising steps that run; less keeps more of the video. Default: 0.7, with a mask 1."
        ),
    ] = None,
    continues: Annotated[Path | None, typer.Option("--continue", help="An .mp4 to extend.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="An .mp4, or a .png for one frame.")] = Path("out.mp4"),
    model: ModelOption = DEFAULT_MODEL,
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    lora: Annotated[list[str] | None, typer.Option(help="NAME or FILE, with :SCALE if not 0.55. Repeatable.")] = None,
    width: Annotated[int | None, typer.Option(help="Pixels, a multiple of 16.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels, a multiple of 16.")] = None,
    resize_to_image: Annotated[bool, typer.Option("--resize-to-image", help="Use the image's aspect ratio.")] = False,
    num_frames: Annotated[
        int | None, typer.Option(help="Any number up to max_total_frames of the model. 1 is an image.")
    ] = None,
    window: Annotated[int | None, typer.Option(help="Frames of one window, a multiple of 8.")] = None,
    overlap: Annotated[int, typer.Option(help="Frames shared with the window before, 1 to 4.")] = DEFAULT_OVERLAP,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(help="Weight of the prompt; values up to 1 switch guidance off.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same frames.")] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Number of videos, with this seed and the next.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="The noise scheduler.")] = None,
    memory: Annotated[str, typer.Option(help="auto, normal, low or lowest.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16; auto is float32 on a CPU.")] = "auto",
    cpu_threads: CpuThreadsOption = "auto",
) -> None:
    """Render videos or images to files. Defaults are those of the model's card."""
    with exit_on_error("generate", EasyAnimateError, InvalidRequest, OSError, code=2):
        folder = find_model(model, models_dir)
        card = read_card(folder)
        sources = Sources(image, last_image, video, mask, continues)
        like = image if resize_to_image else None
        if resize_to_image and (image is None or width or height):
            raise InvalidInput("--resize-to-image takes the size from --image, without --width and --height")
        (width, height), fps = choose_size(card, (width, height), like, sources)
        settings = RecipeSettings(
            prompt=prompt,
            negative_prompt=negative_prompt,
            width=width,
            height=height,
            num_frames=_or_default(num_frames, card.default_num_frames),
            window=_or_default(window, card.window),
            overlap=overlap,
            fps=fps,
            num_inference_steps=_or_default(steps, card.default_num_inference_steps),
            guidance_scale=_or_default(guidance_scale, card.default_guidance_scale),
            scheduler=_or_default(scheduler, card.default_scheduler),
            strength=_or_default(strength, VIDEO_STRENGTH if video and not mask else 1.0),
            seed=_or_default(seed, secrets.randbelow(2**31)),
        )
        recipe = Recipe(settings, sources, tuple(choose_lora(text, models_dir) for text in lora or ()))
        check_settings(recipe, card, output)
        files = outputs(output, settings.seed, count)
        render_all(recipe, folder, memory, dtype, files, cpu_threads_of(cpu_threads))


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

    name, _, scale = text.rpartition(":")
    try:
        number = float(scale)
    except ValueError:  # a name alone, which may contain a colon
        return LoraSource(find_lora(text, models_dir), DEFAULT_SCALE)
    return LoraSource(find_lora(name or text, models_dir), number if name else DEFAULT_SCALE)


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
    if not output.parent.is_dir():
        raise InvalidInput(f"the folder {output.parent} does not exist")
    if recipe.sources.continues and output.exists() and output.samefile(recipe.sources.continues):
        raise InvalidInput(f"{output} is the video to extend; write to another file")


def outputs(path: Path, seed: int, count: int) -> list[tuple[int, Path]]:
    """Each seed and its file; the names of several files contain their seeds."""
    if count == 1:
        return [(seed, path)]
    return [(each, path.with_stem(f"{path.stem}-{each}")) for each in range(seed, seed + count)]


def render_all(
    recipe: Recipe, folder: Path, memory: str, dtype: str, files: list[tuple[int, Path]], cpu_threads: int | None
) -> None:
    """Loads the model once; shows for each file a bar over the steps, and then the seconds of each phase."""
    from easyanimate.pipeline import Draws

    inputs = recipe.inputs()
    for seed, _ in files:
        Draws.from_seed(seed)  # refuses a seed out of range before the model is loaded
    clock = PhaseClock()
    clock.enter("loading")
    model = load_for_rendering(folder, memory, recipe, dtype, cpu_threads)
    for seed, path in files:
        seeded = replace(inputs, settings={**inputs.settings, "seed": seed})
        count = render_to_file(model, seeded, recipe.loras, path, clock)
        phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in clock.seconds().items())
        size = f"{recipe.settings.width}x{recipe.settings.height}"
        typer.echo(f"{path}: {size}, {count} frame{'' if count == 1 else 's'}, seed {seed}; {phases}")
        clock = PhaseClock()
