"""From a recipe to a file: the model loaded, the frames made window by window, hashed and written with a manifest."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.recipe import Recipe, read_head
from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.tiny import TINY_MODEL, copy_tiny_model, is_tiny_model

if TYPE_CHECKING:
    from easyanimate.manifest import Manifest
    from easyanimate.pipeline import EasyAnimatePipeline, Generation

DEFAULT_MODEL = TINY_MODEL


@dataclass(frozen=True)
class Workshop:
    """A loaded model, and where and how it computes."""

    pipe: "EasyAnimatePipeline"
    folder: Path
    device: str
    dtype: str
    memory: str


def find_model(model: str, models_dir: Path) -> Path:
    """The folder `model`, or the one of that name in `models_dir`; the small model is laid out if missing or old."""
    if model == DEFAULT_MODEL and not Path(model).is_dir():
        kept = models_dir / model
        return kept if is_tiny_model(kept) else copy_tiny_model(kept)
    for folder in (Path(model), models_dir / model):
        if (folder / "transformer").is_dir():
            return folder
    raise CheckpointError(f"there is no model folder {model}, nor {models_dir / model}")


def load(folder: Path, memory: str, recipe: Recipe) -> Workshop:
    """The model for a recipe."""
    asked = recipe.settings
    return load_model(folder, memory, (asked.width, asked.height, min(asked.num_frames, asked.window)))


def load_model(folder: Path, memory: str, clip: tuple[int, int, int]) -> Workshop:
    """The model on the GPU (bfloat16) or on the CPU (float32), for clips of this width, height and number of frames.

    "auto" takes the fastest profile that fits.
    """
    import torch

    from easyanimate.memory import PROFILES, apply_memory_profile, choose_profile
    from easyanimate.pipeline import EasyAnimatePipeline

    if memory not in ("auto", *PROFILES):
        raise InvalidInput(f"memory must be auto or one of {', '.join(PROFILES)}, got {memory!r}")
    _quieten_libraries()
    device, dtype, profile = "cpu", torch.float32, "normal"
    if torch.cuda.is_available():
        device, dtype = "cuda", torch.bfloat16
        profile = choose_profile(torch.cuda.mem_get_info()[0], *clip)
    pipe = EasyAnimatePipeline.from_pretrained(folder, torch_dtype=dtype)
    memory = profile if memory == "auto" else memory
    apply_memory_profile(pipe, memory, device)  # type: ignore[arg-type]  # one of PROFILES, as checked above
    return Workshop(pipe, folder, device, str(dtype).removeprefix("torch."), memory)


def _quieten_libraries() -> None:
    """One bar on the screen, ours; theirs count files and notes on precision."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def frames_of(shop: Workshop, recipe: Recipe, asked: "Generation", clock: "PhaseClock") -> Iterator[Any]:
    """All frames of the video [F', H, W, 3], uint8: those it goes on from, then the new ones as they come."""
    from tqdm import tqdm

    from easyanimate.lora import applied, read_lora
    from easyanimate.pipeline import Draws, generate_windows, num_timesteps

    plan, told = recipe.plan(), recipe.settings
    steps = num_timesteps(told.scheduler, told.num_inference_steps, told.strength)
    draws = Draws.from_seed(told.seed)
    with ExitStack() as stack:
        files = [(read_lora(lora.path), lora.scale) for lora in recipe.loras]
        for report in stack.enter_context(applied(shop.pipe, files)):
            if report.unused:
                _note(f"{report.name}: {report.applied} layers changed, not used: {', '.join(report.unused)}")
        for warning in shop.pipe.prompt_warnings(asked):
            _note(warning)
        bar = stack.enter_context(tqdm(total=len(plan) * steps, desc="denoising"))

        def on_step(_pipe: Any, _index: int, _timestep: Any, _kwargs: dict[str, Any]) -> dict[str, Any]:
            bar.update()
            return {}

        if recipe.sources.continues is not None:
            yield from read_head(recipe.sources.continues, told.overlap)
        yield from generate_windows(shop.pipe, asked, plan, draws, on_step=on_step, on_phase=clock.enter)


def _note(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


def make(shop: Workshop, recipe: Recipe, asked: "Generation", output: Path, clock: "PhaseClock") -> int:
    """Write the video or picture, with its manifest in it and beside it; the number of its frames."""
    from easyanimate.file_comment import save_png, set_mp4_comment
    from easyanimate.manifest import FrameHashes

    hashes = FrameHashes()
    pieces = _hashed(frames_of(shop, recipe, asked, clock), hashes)
    if output.suffix == ".png":
        picture = _picture(pieces)
        manifest = manifest_of(shop, recipe, hashes.all())
        save_png(picture, output, manifest.compact())
    else:
        _write_mp4(pieces, recipe, output)
        manifest = manifest_of(shop, recipe, hashes.all())
        set_mp4_comment(output, manifest.compact())
    output.with_suffix(".json").write_text(manifest.to_json(), encoding="utf-8")
    return len(manifest.frames)


def _hashed(pieces: Iterator[Any], hashes: Any) -> Iterator[Any]:
    for piece in pieces:
        hashes.add(piece)
        yield piece


def _picture(pieces: Iterator[Any]) -> Any:
    from PIL import Image

    (piece,) = pieces
    return Image.fromarray(piece[0].numpy())


def _write_mp4(pieces: Iterator[Any], recipe: Recipe, output: Path) -> None:
    from easyanimate.video_file import Mp4Writer

    told = recipe.settings
    with Mp4Writer(output, width=told.width, height=told.height, fps=Fraction(told.fps)) as writer:
        for piece in pieces:
            writer.write(piece)


def manifest_of(shop: Workshop, recipe: Recipe, frames: tuple[str, ...]) -> "Manifest":
    """How `frames` were made."""
    from easyanimate.manifest import Manifest, UsedLora, file_sha256, library_versions, model_sha256

    return Manifest(
        model=shop.folder.resolve().name,
        model_sha256=model_sha256(shop.folder),
        settings=recipe.settings.model_dump(),
        inputs={name: file_sha256(path) for name, path in recipe.sources.items()},
        loras=tuple(UsedLora(lora.path.stem, file_sha256(lora.path), lora.scale) for lora in recipe.loras),
        device=shop.device,
        dtype=shop.dtype,
        memory=shop.memory,
        libraries=library_versions(),
        frames=frames,
    )


def find_lora(name: str, models_dir: Path) -> Path:
    """The file `name`, or the LoRA of that name in `models_dir`/loras."""
    for path in (Path(name), models_dir / "loras" / f"{name}.safetensors"):
        if path.is_file():
            return path
    raise InvalidInput(f"there is no LoRA file {name}, nor {models_dir / 'loras' / name}.safetensors")


class PhaseClock:
    """How long each phase takes, all its turns together."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._entered: list[tuple[str, float]] = []

    def enter(self, phase: str) -> None:
        """A new phase begins, and the one before ends."""
        self._entered.append((phase, self._now()))

    def seconds(self) -> dict[str, float]:
        """The phases so far, the last one until now."""
        ends = [start for _, start in self._entered[1:]] + [self._now()]
        total: dict[str, float] = {}
        for (phase, start), end in zip(self._entered, ends, strict=True):
            total[phase] = total.get(phase, 0.0) + end - start
        return total
