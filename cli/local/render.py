"""Renders a recipe on this machine: loads the model, shows a progress bar, and writes the file and its manifest."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from cli.bar import open_bar
from cli.local.marks import mark_output
from cli.local.recipe import Recipe
from cli.local.source_video import read_shown_frames
from cli.options import SAMPLING
from easyanimate.errors import InvalidInput
from easyanimate.tiny import TINY_MODEL
from worker.load_options import Compile, read_cpu_threads

if TYPE_CHECKING:
    from easyanimate.memory import Profile
    from easyanimate.pipeline import ClipStages
    from easyanimate.render import AppliedLoras, LoraSource, ModelEnvironment, RenderInputs

DEFAULT_MODEL = TINY_MODEL
ModelOption = Annotated[str, typer.Option(help="A folder, a name in the models folder, or 512, 768, 960.")]
CpuThreadsOption = Annotated[
    str,
    typer.Option(
        envvar="EASYANIMATE_CPU_THREADS",
        help="Threads on a CPU, or auto: 1 for a small model, and the fastest number, measured, for a large one.",
    ),
]
CompileOption = Annotated[
    str,
    typer.Option(
        "--compile",
        envvar="EASYANIMATE_COMPILE",
        help="off, or blocks: compiles the blocks of the transformer first, which takes minutes; needs a C++ compiler.",
    ),
]
ContinuationOption = Annotated[
    str,
    typer.Option(
        envvar="EASYANIMATE_CONTINUATION",
        help="frames: windows continue from the last frames; still: still scenes also keep the first window's picture.",
        rich_help_panel=SAMPLING,
    ),
]
DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model, with its device, number type, memory profile, and threads on a CPU."""

    pipe: "ClipStages"
    folder: Path
    device: str
    dtype: str
    memory: "Profile"
    cpu_threads: int | None
    attention_kernels: "Mapping[str, str] | None" = None
    compiled: str | None = None

    def environment(self) -> "ModelEnvironment":
        """The model and how it computes, as manifests record them."""
        from easyanimate.files.manifest import model_sha256
        from easyanimate.render import ModelEnvironment

        computes = self.device, self.dtype, self.memory, self.cpu_threads, self.attention_kernels, self.compiled
        return ModelEnvironment(self.folder.resolve().name, model_sha256(self.folder), *computes)


def compiled_of(text: str) -> str | None:
    """What the option compiles, None for "off". Raises InvalidInput."""
    if text not in get_args(Compile):
        raise InvalidInput(f"compile must be {' or '.join(get_args(Compile))}, got {text!r}")
    return None if text == "off" else text


def cpu_threads_of(text: str) -> int | None:
    """The number of the option, None for "auto". Raises InvalidInput."""
    try:
        number = read_cpu_threads(text)
    except ValueError as problem:
        raise InvalidInput(f"cpu_threads {problem}, got {text!r}") from problem
    return number if isinstance(number, int) else None


@contextmanager
def without_collection() -> Iterator[None]:
    """Pauses the collector of reference cycles, which would visit all modules several times while they are imported."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def load_for_rendering(
    folder: Path,
    memory: str,
    recipe: Recipe,
    dtype: str = "auto",
    cpu_threads: int | None = None,
    attention_kernels: "Mapping[str, str] | None" = None,
    compiled: str | None = None,
) -> LoadedModel:
    """Loads the model for a recipe; on a GPU with these kernels of attention, if they are set and installed.

    With `compiled` the blocks are compiled too. Raises InvalidInput where they cannot be.
    """
    if compiled is not None and memory != "auto":
        _check_compiled_profile(memory)
    settings = recipe.settings
    clip = (settings.width, settings.height, min(settings.num_frames, settings.window))
    model = load_model(folder, memory, clip, dtype, cpu_threads)
    from easyanimate.transformer.inference.kernel_choice import can_use_kernels, set_attention_kernels

    if attention_kernels is not None and model.attention_kernels is not None and can_use_kernels(attention_kernels):
        set_attention_kernels(model.pipe.transformer, attention_kernels)
        model = replace(model, attention_kernels=attention_kernels)
    return model if compiled is None else _with_compiled_blocks(model)


def _with_compiled_blocks(model: LoadedModel) -> LoadedModel:
    """The model with compiled blocks, after a note with the seconds that it took. Raises InvalidInput."""
    from easyanimate.transformer.inference.compiled_blocks import BLOCKS, compile_blocks

    _check_compiled_profile(model.memory)
    _echo_notes([f"the blocks were compiled in {compile_blocks(model.pipe.transformer):.1f} s"])
    return replace(model, compiled=BLOCKS)


def _check_compiled_profile(memory: str) -> None:
    if memory != "normal":
        raise InvalidInput(f"compile needs the memory profile normal, which keeps all weights in place, not {memory}")


def load_model(
    folder: Path, memory: str, clip: tuple[int, int, int], dtype: str = "auto", cpu_threads: int | None = None
) -> LoadedModel:
    """Loads the model on the GPU, or on the CPU without one, for clips of this width, height and number of frames.

    "auto" is bfloat16 on a GPU and float32 on a CPU, and the fastest memory profile that fits. On a CPU it sets the
    threads of this process, to `cpu_threads` or to the number of `easyanimate.cpu_threads`.
    """
    import torch

    from easyanimate.cpu_threads import choose_cpu_threads, use_cpu_threads
    from easyanimate.memory import PROFILES, load_in_profile
    from easyanimate.transformer.inference.kernel_choice import choose_kernels, set_attention_kernels

    if memory not in ("auto", *PROFILES):
        raise InvalidInput(f"memory must be auto or one of {', '.join(PROFILES)}, got {memory!r}")
    if dtype not in DTYPES:
        raise InvalidInput(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    _silence_libraries()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    profile = _choose_profile(device, dtype, clip) if memory == "auto" else cast("Profile", memory)
    pipe = load_in_profile(folder, getattr(torch, dtype), profile, device)
    use_cpu_threads(threads := choose_cpu_threads(pipe, folder, device, cpu_threads))
    kernels = choose_kernels(pipe.transformer, device)
    set_attention_kernels(pipe.transformer, kernels)
    return LoadedModel(pipe, folder, device, dtype, profile, threads, kernels)


def _choose_profile(device: str, dtype: str, clip: tuple[int, int, int]) -> "Profile":
    """The fastest profile that fits; on a CPU always "normal"."""
    import torch

    from easyanimate.memory import choose_profile

    if device == "cpu":
        return "normal"
    free = torch.cuda.mem_get_info()[0]
    return choose_profile(free // 2 if dtype == "float32" else free, *clip)  # estimates are for 16 bit


def _silence_libraries() -> None:
    """Hides the progress bars and notes of diffusers and transformers beside the command's own bar."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def open_frames(
    pipe: "ClipStages", inputs: "RenderInputs", loras: "Sequence[LoraSource]", clock: "PhaseClock"
) -> "Iterator[tuple[Iterator[Any], AppliedLoras]]":
    """Inside the block the LoRAs are applied; yields all frames of the video, [F', H, W, 3] of uint8, and the LoRAs."""
    from easyanimate.render import apply_lora_files

    with apply_lora_files(pipe, loras) as applied_loras:
        _echo_notes(applied_loras.warnings)
        yield _frames(pipe, inputs, clock), applied_loras


def _frames(pipe: "ClipStages", inputs: "RenderInputs", clock: "PhaseClock") -> Iterator[Any]:
    """The frames of the video to extend, then the new ones, with a bar over the steps."""
    from easyanimate.render import split_tail

    settings, ends = inputs.settings, None
    if "continues" in inputs.files:
        source = read_shown_frames(inputs.files["continues"], Fraction(settings["fps"]))
        ends = yield from split_tail(source, settings["overlap"], inputs.num_first)
    _echo_notes((*inputs.warnings, *inputs.prompt_warnings(pipe, ends)))
    steps, total = count(1), inputs.total_steps
    with open_bar(f"seed {settings['seed']}", total) as bar:

        def on_step(_pipe: Any, _index: int, _timestep: Any, _kwargs: dict[str, Any]) -> dict[str, Any]:
            step = next(steps)
            bar.update(step, "denoising", f"{step}/{total}")
            return {}

        yield from inputs.frames(pipe, ends, on_step=on_step, on_phase=clock.enter)


def _echo_notes(notes: Sequence[str]) -> None:
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def render_to_file(
    model: LoadedModel,
    inputs: "RenderInputs",
    loras: "Sequence[LoraSource]",
    output: Path,
    clock: "PhaseClock",
    *,
    marks: bool = True,
) -> int:
    """Writes the video or image, with its manifest inside and beside it, and marks it; returns the number of frames."""
    from easyanimate.render import render

    with open_frames(model.pipe, inputs, loras, clock) as (frames, applied_loras):
        manifest_path = output.with_suffix(".json")
        manifest = render(frames, output, inputs, model.environment(), applied_loras, manifest_path=manifest_path)
    if marks:
        mark_output(output, manifest, inputs)
    return len(manifest.frames)


def find_lora(name: str, models_dir: Path) -> Path:
    """The file `name`, or the LoRA of that name in `models_dir`/loras."""
    for path in (Path(name), models_dir / "loras" / f"{name}.safetensors"):
        if path.is_file():
            return path
    raise InvalidInput(f"there is no LoRA file {name}, nor {models_dir / 'loras' / name}.safetensors")


class PhaseClock:
    """Measures the seconds of each phase, over all windows."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._entered: list[tuple[str, float]] = []

    def enter(self, phase: str) -> None:
        """Begins a phase and ends the one before."""
        self._entered.append((phase, self._now()))

    def seconds(self) -> dict[str, float]:
        """The seconds of each phase; the last one is counted until now."""
        ends = [start for _, start in self._entered[1:]] + [self._now()]
        total: dict[str, float] = {}
        for (phase, start), end in zip(self._entered, ends, strict=True):
            total[phase] = total.get(phase, 0.0) + end - start
        return total
