"""From a recipe to a file: the model loaded, the frames made window by window, hashed and written with a manifest."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.local.recipe import Recipe, read_head
from easyanimate.errors import InvalidInput
from easyanimate.tiny import TINY_MODEL

if TYPE_CHECKING:
    from easyanimate.files.manifest import Manifest
    from easyanimate.pipeline import EasyAnimatePipeline, Generation

DEFAULT_MODEL = TINY_MODEL
DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model, and where and how it computes."""

    pipe: "EasyAnimatePipeline"
    folder: Path
    device: str
    dtype: str
    memory: str


def load_for_rendering(folder: Path, memory: str, recipe: Recipe, dtype: str = "auto") -> LoadedModel:
    """The model for a recipe."""
    asked = recipe.settings
    return load_model(folder, memory, (asked.width, asked.height, min(asked.num_frames, asked.window)), dtype)


def load_model(folder: Path, memory: str, clip: tuple[int, int, int], dtype: str = "auto") -> LoadedModel:
    """The model on the GPU or on the CPU, for clips of this width, height and number of frames.

    "auto" takes bfloat16 on a GPU and float32 on a CPU, and the fastest memory profile that fits.
    """
    import torch

    from easyanimate.memory import PROFILES, apply_memory_profile
    from easyanimate.pipeline import EasyAnimatePipeline

    if memory not in ("auto", *PROFILES):
        raise InvalidInput(f"memory must be auto or one of {', '.join(PROFILES)}, got {memory!r}")
    if dtype not in DTYPES:
        raise InvalidInput(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    _quieten_libraries()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    if memory == "auto":
        memory = _fitting_profile(device, dtype, clip)
    pipe = EasyAnimatePipeline.from_pretrained(folder, torch_dtype=getattr(torch, dtype))
    apply_memory_profile(pipe, memory, device)  # type: ignore[arg-type]  # one of PROFILES, as checked above
    return LoadedModel(pipe, folder, device, dtype, memory)


def _fitting_profile(device: str, dtype: str, clip: tuple[int, int, int]) -> str:
    """The fastest profile that fits; on a CPU always "normal"."""
    import torch

    from easyanimate.memory import choose_profile

    if device == "cpu":
        return "normal"
    free = torch.cuda.mem_get_info()[0]
    return choose_profile(free // 2 if dtype == "float32" else free, *clip)  # estimates are for 16 bit


def _quieten_libraries() -> None:
    """One bar on the screen, ours; theirs count files and notes on precision."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def frames_of(shop: LoadedModel, recipe: Recipe, asked: "Generation", clock: "PhaseClock") -> Iterator[Any]:
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


def make(shop: LoadedModel, recipe: Recipe, asked: "Generation", output: Path, clock: "PhaseClock") -> int:
    """Write the video or picture, with its manifest in it and beside it; the number of its frames."""
    from easyanimate.files.file_comment import save_png, set_mp4_comment
    from easyanimate.files.manifest import FrameHashes

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
    from easyanimate.files.video_file import Mp4Writer

    told = recipe.settings
    with Mp4Writer(output, width=told.width, height=told.height, fps=Fraction(told.fps)) as writer:
        for piece in pieces:
            writer.write(piece)


def manifest_of(shop: LoadedModel, recipe: Recipe, frames: tuple[str, ...]) -> "Manifest":
    """How `frames` were made."""
    from easyanimate.files.manifest import Manifest, UsedLora, file_sha256, library_versions, model_sha256

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
