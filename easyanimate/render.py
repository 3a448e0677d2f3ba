"""Renders one video: settings, inputs and a plan become frames, their hashes, a file and its manifest.

The worker and the command line share this module. Each adds its own progress; the worker adds checkpoints, segments
and previews.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from easyanimate.files.file_comment import PngWriter
from easyanimate.files.manifest import FrameHashes, Manifest, UsedLora, file_sha256, library_versions
from easyanimate.files.mp4_join import StoredFrames
from easyanimate.files.video_writer import Mp4Writer
from easyanimate.files.write_behind import write_behind
from easyanimate.lora import LoraReport, read_lora
from easyanimate.memory import Profile
from easyanimate.pipeline import ClipStages, Generation, num_timesteps
from easyanimate.windows import Window

VIDEO_SETTINGS = frozenset({"num_frames", "window", "overlap", "fps", "seed"})  # the others are those of each window
PIECE_FRAMES = 8  # frames of an extended video that are yielded at a time


@dataclass(frozen=True)
class ModelEnvironment:
    """A loaded model and how it computes, as manifests record them. `cpu_threads` is None on other devices."""

    model: str
    model_sha256: str
    device: str
    dtype: str
    memory: Profile
    cpu_threads: int | None = None


@dataclass(frozen=True)
class LoraSource:
    """The file of a LoRA and its scale."""

    path: Path
    scale: float


@dataclass(frozen=True)
class AppliedLoras:
    """The LoRAs in effect: their entries in the manifest, and warnings for the caller."""

    used: tuple[UsedLora, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class RenderInputs:
    """Everything that determines the frames of a video, except the model and its LoRAs.

    `settings` are all parameters, as the manifest records them. `files` are the input files by their names in the
    manifest: `image`, `last_image`, `mask`, `video`, or `continues` for a video to extend. `images` are the first three
    of them, decoded; `video` [F, H, W, 3], uint8, is the video to change. `copied` are the frames of a video to extend
    that are not encoded again. `warnings` are for the caller.
    """

    settings: Mapping[str, Any]
    plan: tuple[Window, ...]
    files: Mapping[str, Path]
    images: Mapping[str, Image.Image]
    video: np.ndarray | None = None
    copied: StoredFrames | None = None
    warnings: tuple[str, ...] = ()

    def generation(self, context_frames: np.ndarray | None = None) -> Generation:
        """The arguments of the pipeline; `context_frames` [n, H, W, 3] are the last ones of a video to extend."""
        arguments: dict[str, Any] = {k: value for k, value in self.settings.items() if k not in VIDEO_SETTINGS}
        arguments |= {**self.images, "num_frames": self.plan[0].num_frames}
        return Generation(**arguments, video=self.video, context_frames=context_frames)

    @property
    def steps_per_window(self) -> int:
        """How often the transformer is called in each window."""
        settings = self.settings
        return num_timesteps(settings["scheduler"], settings["num_inference_steps"], settings["strength"])

    @property
    def total_steps(self) -> int:
        """How often the transformer is called in all windows."""
        return len(self.plan) * self.steps_per_window


@contextmanager
def apply_lora_files(pipe: ClipStages, loras: Sequence[LoraSource]) -> Iterator[AppliedLoras]:
    """Applies LoRA files to `pipe` inside the block. Raises CheckpointError for a file that does not fit."""
    if not loras:
        yield AppliedLoras((), ())
        return
    from easyanimate.lora import applied  # PEFT takes a second to import

    used = tuple(UsedLora(lora.path.stem, file_sha256(lora.path), lora.scale) for lora in loras)
    with applied(pipe, [(read_lora(lora.path), lora.scale) for lora in loras]) as reports:
        yield AppliedLoras(used, tuple(_unused_warning(report) for report in reports if report.unused))


def _unused_warning(report: LoraReport) -> str:
    total = report.applied + len(report.unused)
    return f"lora {report.name}: {report.applied} of {total} modules applied; not used: {report.unused[0]}, …"


def split_tail(frames: Iterable[np.ndarray], overlap: int) -> Generator[np.ndarray, None, np.ndarray]:
    """Yields all but the last `overlap` of `frames` [H, W, 3], in pieces [F, H, W, 3]; returns the last ones."""
    pending: deque[np.ndarray] = deque()
    for frame in frames:
        pending.append(frame)
        if len(pending) == PIECE_FRAMES + overlap:
            yield np.stack([pending.popleft() for _ in range(PIECE_FRAMES)])
    while len(pending) > overlap:
        yield pending.popleft()[None]
    return np.stack(pending)


def render(
    frames: Iterable[Any],
    path: Path,
    inputs: RenderInputs,
    environment: ModelEnvironment,
    loras: AppliedLoras,
    *,
    manifest_path: Path,
    comment: Callable[[Manifest], str] = Manifest.compact,
) -> Manifest:
    """Writes pieces [F, H, W, 3] of uint8 to the MP4 or PNG at `path`, with its manifest inside and at `manifest_path`.

    `comment` makes the text inside the file.
    """
    hashes = FrameHashes()
    with _open_file(path, inputs) as file:

        def write(piece: Any) -> None:
            hashes.add(piece)
            file.write(piece)

        write_behind(frames, write)
        manifest = Manifest(
            **asdict(environment),
            settings=inputs.settings,
            inputs={name: file_sha256(file) for name, file in inputs.files.items()},
            loras=loras.used,
            libraries=library_versions(),
            frames=hashes.all(),
        )
        file.comment = comment(manifest)
    manifest_path.write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _open_file(path: Path, inputs: RenderInputs) -> Mp4Writer | PngWriter:
    """The writer of the result; the file appears when its block ends without an exception."""
    if path.suffix == ".png":
        return PngWriter(path)
    size = {"width": inputs.settings["width"], "height": inputs.settings["height"]}
    return Mp4Writer(path, **size, fps=Fraction(inputs.settings["fps"]), copied=inputs.copied)
