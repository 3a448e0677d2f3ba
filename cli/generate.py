"""`easyanimate generate`: one clip or picture from the pipeline to a file, without a service."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from easyanimate.errors import CheckpointError, EasyAnimateError, InvalidInput
from jobs.errors import InvalidRequest
from jobs.model_card import ModelCard

if TYPE_CHECKING:
    from PIL import Image

    from easyanimate.pipeline import EasyAnimatePipeline

DEFAULT_MODEL = "easyanimate-v3-tiny"

T = TypeVar("T")


def generate(
    prompt: Annotated[str, typer.Option(help="What to show, in English.")],
    negative_prompt: Annotated[str, typer.Option(help="What not to show.")] = "",
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="An .mp4, or a .png of one frame.")] = Path("out.mp4"),
    model: Annotated[str, typer.Option(help="A folder, or the name of one in the models folder.")] = DEFAULT_MODEL,
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    width: Annotated[int | None, typer.Option(help="Pixels, a multiple of 16.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels, a multiple of 16.")] = None,
    num_frames: Annotated[int | None, typer.Option(help="1 or a multiple of 8.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="How strictly to obey; 1 is not at all.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same clip.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="The sampler.")] = None,
) -> None:
    """Make one clip, or one picture, and write it to a file. What is not said comes from the model's card."""
    try:
        folder = find_model(model, models_dir)
        card = read_card(folder)
        settings = Settings(
            prompt=prompt,
            negative_prompt=negative_prompt,
            width=_said(width, card.default_width),
            height=_said(height, card.default_height),
            num_frames=_said(num_frames, card.default_num_frames),
            num_inference_steps=_said(steps, card.default_num_inference_steps),
            guidance_scale=_said(guidance_scale, card.default_guidance_scale),
            scheduler=_said(scheduler, card.default_scheduler),
            seed=_said(seed, secrets.randbelow(2**31)),
        )
        check(settings, card, output)
        make(settings, folder, read_image(image), Target(output, card.fps, card.name))
    except (EasyAnimateError, InvalidRequest, OSError) as problem:
        typer.echo(f"easyanimate generate: {problem}", err=True)
        raise typer.Exit(2) from problem


def _said(value: T | None, default: T) -> T:
    return default if value is None else value


@dataclass(frozen=True)
class Settings:
    """What determines the frames, besides the model and the start image."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    num_frames: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    seed: int


@dataclass(frozen=True)
class Target:
    """Where the frames go, at how many a second, and the name of the model that made them."""

    path: Path
    fps: int
    model: str


def find_model(model: str, models_dir: Path) -> Path:
    """The folder `model`, or the one of that name in `models_dir`; the small model is made if it is missing."""
    for folder in (Path(model), models_dir / model):
        if (folder / "transformer").is_dir():
            return folder
    if model != DEFAULT_MODEL:
        raise CheckpointError(f"there is no model folder {model}, nor {models_dir / model}")
    from easyanimate.tiny import make_tiny_model

    _quieten_libraries()
    typer.echo(f"making the small model in {models_dir / model}")
    return make_tiny_model(models_dir / model)


def read_card(folder: Path) -> ModelCard:
    """Limits and defaults of the model in `folder`."""
    try:
        return ModelCard.model_validate_json((folder / "card.json").read_bytes())
    except (OSError, ValidationError) as problem:
        raise CheckpointError(f"{folder / 'card.json'} is missing or damaged: {problem}") from problem


def check(settings: Settings, card: ModelCard, output: Path) -> None:
    """Refuse what the model cannot make, before anything is loaded."""
    card.check_size(settings.width, settings.height)
    card.check_num_frames(settings.num_frames)
    card.check_sampling(settings.scheduler, settings.num_inference_steps)
    if output.suffix not in (".mp4", ".png"):
        raise InvalidInput(f"the output must end in .mp4 or .png, got {output.name}")
    if output.suffix == ".png" and settings.num_frames != 1:
        raise InvalidInput(f"a .png holds one frame: say --num-frames 1, or an .mp4 for all {settings.num_frames}")
    if not output.parent.is_dir():
        raise InvalidInput(f"the folder {output.parent} does not exist")


def read_image(path: Path | None) -> "Image.Image | None":
    """The start image at `path`, if there is one."""
    if path is None:
        return None
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as problem:
        raise InvalidInput(f"{path} is not a picture that can be read: {problem}") from problem


def make(settings: Settings, folder: Path, image: "Image.Image | None", target: Target) -> None:
    """Load, denoise, decode and write, with a bar over the steps and the seconds of each phase at the end."""
    from tqdm import tqdm

    from easyanimate.pipeline import Draws, num_timesteps

    clock = PhaseClock()
    clock.enter("loading")
    pipe = load(folder)
    draws = Draws.from_seed(settings.seed)
    arguments = asdict(settings)
    del arguments["seed"]
    with tqdm(total=num_timesteps(settings.scheduler, settings.num_inference_steps), desc="denoising") as bar:

        def on_step(_pipe: Any, _index: int, _timestep: Any, _kwargs: dict[str, Any]) -> dict[str, Any]:
            bar.update()
            return {}

        made = pipe(
            **arguments,
            image=image,
            generator=draws,
            callback_on_step_end=on_step,
            callback_on_phase=clock.enter,
            output_type="latent",
        )
    for warning in made.warnings:
        typer.echo(f"note: {warning}", err=True)
    clock.enter("decoding and writing")
    write(pipe.decode_frames(made.frames, draws), settings, target)
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in clock.seconds().items())
    frames = "1 frame" if settings.num_frames == 1 else f"{settings.num_frames} frames"
    typer.echo(f"{target.path}: {settings.width}x{settings.height}, {frames}, seed {settings.seed}; {phases}")


def load(folder: Path) -> "EasyAnimatePipeline":
    """The pipeline on the GPU in bfloat16, or on the CPU in float32."""
    import torch

    from easyanimate.pipeline import EasyAnimatePipeline

    _quieten_libraries()
    if not torch.cuda.is_available():
        return EasyAnimatePipeline.from_pretrained(folder)
    pipe = EasyAnimatePipeline.from_pretrained(folder, torch_dtype=torch.bfloat16)
    pipe.to("cuda")
    return pipe


def _quieten_libraries() -> None:
    """One bar on the screen, ours; theirs count files and notes on precision."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def write(frames: Any, settings: Settings, target: Target) -> None:
    """`frames`, which come in pieces [F, H, W, 3], to a .png or, with how they were made, to an .mp4."""
    if target.path.suffix == ".png":
        from PIL import Image

        Image.fromarray(next(frames)[0].numpy()).save(target.path)
        return
    from easyanimate.video_file import Mp4Writer

    comment = json.dumps(asdict(settings) | {"model": target.model}, ensure_ascii=False)
    with Mp4Writer(
        target.path, width=settings.width, height=settings.height, fps=target.fps, comment=comment
    ) as writer:
        for piece in frames:
            writer.write(piece)


class PhaseClock:
    """How long each phase takes, from one `enter` to the next."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._entered: list[tuple[str, float]] = []

    def enter(self, phase: str) -> None:
        """A new phase begins, and the one before ends."""
        self._entered.append((phase, self._now()))

    def seconds(self) -> dict[str, float]:
        """The phases so far, the last one until now."""
        ends = [start for _, start in self._entered[1:]] + [self._now()]
        return {phase: end - start for (phase, start), end in zip(self._entered, ends, strict=True)}
