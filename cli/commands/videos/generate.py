"""`easyanimate generate`: videos or pictures from the pipeline to files, without a service."""

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from cli.local.recipe import LocalLora, Recipe, RecipeSettings, Sources, read_image
from cli.local.render import DEFAULT_MODEL, PhaseClock, find_lora, load_for_rendering, make
from easyanimate.buckets import resize_to_image as size_like
from easyanimate.errors import EasyAnimateError, InvalidInput
from easyanimate.models.lookup import find_model
from easyanimate.windows import DEFAULT_OVERLAP
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from worker.models.cards import read_card

USUAL_STRENGTH = 0.7  # of a video without a mask, as in later versions of EasyAnimate (spec: pipelines 9)

T = TypeVar("T")


def generate(
    prompt: Annotated[str, typer.Option(help="What to show, in English.")],
    negative_prompt: Annotated[str, typer.Option(help="What not to show.")] = "",
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    last_image: Annotated[Path | None, typer.Option(help="A picture to end in; needs a start.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video to change; its first frames are used.")] = None,
    mask: Annotated[Path | None, typer.Option(help="White where the video is made anew.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="How much of the video to change, 0 to 1; 0.7, with a mask 1.")
    ] = None,
    continues: Annotated[Path | None, typer.Option("--continue", help="An .mp4 to make longer.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="An .mp4, or a .png of one frame.")] = Path("out.mp4"),
    model: Annotated[
        str, typer.Option(help="A folder, a name in the models folder, or 512, 768, 960.")
    ] = DEFAULT_MODEL,
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    lora: Annotated[
        list[str] | None, typer.Option(help="NAME or FILE, with :SCALE if not 0.55. May be said many times.")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Pixels, a multiple of 16.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels, a multiple of 16.")] = None,
    resize_to_image: Annotated[bool, typer.Option("--resize-to-image", help="Take the image's shape.")] = False,
    num_frames: Annotated[
        int | None, typer.Option(help="Any number; beyond the model's window, of several. 1 is a picture.")
    ] = None,
    window: Annotated[int | None, typer.Option(help="Frames to make at a time, a multiple of 8.")] = None,
    overlap: Annotated[int, typer.Option(help="Frames a window shares with the one before, 1 to 4.")] = DEFAULT_OVERLAP,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="How strictly to obey; 1 is not at all.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same clip.")] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="So many, of this seed and the next ones.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="The sampler.")] = None,
    memory: Annotated[str, typer.Option(help="auto, normal, low or lowest.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16; auto is float32 on a CPU.")] = "auto",
) -> None:
    """Make videos or pictures, and write them to files. What is not said comes from the model's card."""
    try:
        folder = find_model(model, models_dir)
        card = read_card(folder)
        sources = Sources(image, last_image, video, mask, continues)
        like = image if resize_to_image else None
        if resize_to_image and (image is None or width or height):
            raise InvalidInput("--resize-to-image takes the size from --image, without --width and --height")
        sides, fps = choose_size(card, (width, height), like, continues)
        settings = RecipeSettings(
            prompt=prompt,
            negative_prompt=negative_prompt,
            width=sides[0],
            height=sides[1],
            num_frames=_said(num_frames, card.default_num_frames),
            window=_said(window, card.window),
            overlap=overlap,
            fps=fps,
            num_inference_steps=_said(steps, card.default_num_inference_steps),
            guidance_scale=_said(guidance_scale, card.default_guidance_scale),
            scheduler=_said(scheduler, card.default_scheduler),
            strength=_said(strength, USUAL_STRENGTH if video and not mask else 1.0),
            seed=_said(seed, secrets.randbelow(2**31)),
        )
        recipe = Recipe(settings, sources, tuple(choose_lora(text, models_dir) for text in lora or ()))
        check_settings(recipe, card, output, count)
        make_all(recipe, folder, memory, dtype, outputs(output, settings.seed, count))
    except (EasyAnimateError, InvalidRequest, OSError) as problem:
        typer.echo(f"easyanimate generate: {problem}", err=True)
        raise typer.Exit(2) from problem


def _said(value: T | None, default: T) -> T:
    return default if value is None else value


def choose_size(
    card: ModelCard, said: tuple[int | None, int | None], like: Path | None, continues: Path | None
) -> tuple[tuple[int, int], str]:
    """Width and height, and frames a second: as said, of the shape of the image `like`, or those of the video."""
    if continues is not None:
        from easyanimate.files.video_file import probe

        found = probe(continues)
        if any(said) and said != (found.width, found.height):
            raise InvalidInput(f"{continues} is {found.width}x{found.height}; leave out --width and --height")
        return (found.width, found.height), str(found.fps)
    if like is not None:
        from PIL import ImageOps

        return size_like(*ImageOps.exif_transpose(read_image(like)).size, card.base), str(card.fps)
    return (_said(said[0], card.default_width), _said(said[1], card.default_height)), str(card.fps)


def choose_lora(text: str, models_dir: Path) -> LocalLora:
    """NAME_OR_FILE[:SCALE] as a file and a scale."""
    from easyanimate.lora import DEFAULT_SCALE

    name, _, scale = text.rpartition(":")
    try:
        number = float(scale)
    except ValueError:  # a name alone, perhaps with a colon of its own
        return LocalLora(find_lora(text, models_dir), DEFAULT_SCALE)
    return LocalLora(find_lora(name or text, models_dir), number if name else DEFAULT_SCALE)


def check_settings(recipe: Recipe, card: ModelCard, output: Path, count: int) -> None:
    """Refuse what the model cannot make, before anything is loaded."""
    settings = recipe.settings
    card.check_size(settings.width, settings.height)
    card.check_sampling(settings.scheduler, settings.num_inference_steps)
    if settings.window > card.window:
        raise InvalidInput(f"{card.name} makes at most {card.window} frames at a time, got --window {settings.window}")
    if settings.num_frames > card.longest:
        raise InvalidInput(f"num_frames must be at most {card.longest}, got {settings.num_frames}")
    if output.suffix not in (".mp4", ".png"):
        raise InvalidInput(f"the output must end in .mp4 or .png, got {output.name}")
    if output.suffix == ".png" and (settings.num_frames != 1 or recipe.sources.continues):
        raise InvalidInput(f"a .png holds one frame: say --num-frames 1, or an .mp4 for all {settings.num_frames}")
    if not output.parent.is_dir():
        raise InvalidInput(f"the folder {output.parent} does not exist")
    if recipe.sources.continues and output.exists() and output.samefile(recipe.sources.continues):
        raise InvalidInput(f"{output} is the video to go on from; write to another file")


def outputs(path: Path, seed: int, count: int) -> list[tuple[int, Path]]:
    """Each seed and its file: one alone has the name as said, several have their seeds in it."""
    if count == 1:
        return [(seed, path)]
    return [(each, path.with_stem(f"{path.stem}-{each}")) for each in range(seed, seed + count)]


def make_all(recipe: Recipe, folder: Path, memory: str, dtype: str, files: list[tuple[int, Path]]) -> None:
    """Load once; for each file a bar over the steps, and the seconds of each phase at the end."""
    from easyanimate.pipeline import Draws

    asked = recipe.generation()
    for seed, _ in files:
        Draws.from_seed(seed)  # refuses a seed out of range, before anything is loaded
    clock = PhaseClock()
    clock.enter("loading")
    shop = load_for_rendering(folder, memory, recipe, dtype)
    for seed, path in files:
        one = replace(recipe, settings=recipe.settings.model_copy(update={"seed": seed}))
        made = make(shop, one, asked, path, clock)
        phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in clock.seconds().items())
        size = f"{one.settings.width}x{one.settings.height}"
        typer.echo(f"{path}: {size}, {made} frame{'' if made == 1 else 's'}, seed {seed}; {phases}")
        clock = PhaseClock()
