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
from typing import Any, Unpack

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.files.file_comment import PngWriter
from easyanimate.files.manifest import FrameHashes, Manifest, UsedLora, file_sha256, library_versions
from easyanimate.files.mp4_join import StoredFrames
from easyanimate.files.video_writer import Mp4Writer
from easyanimate.files.write_behind import write_behind
from easyanimate.lora import LoraReport, read_lora
from easyanimate.memory import Profile
from easyanimate.pipeline import (
    ClipStages,
    Draws,
    Generation,
    Shot,
    WindowState,
    generate_film,
    generate_windows,
    num_timesteps,
)
from easyanimate.pipeline.windows.films import check_film
from easyanimate.pipeline.windows.state import WindowCallbacks
from easyanimate.pipeline.windows.still_scene import StillScene, picture_of_source
from easyanimate.warning_texts import LORA_UNUSED
from easyanimate.windows import STILL, Window

# The settings of the whole video; the others are those of each window.
VIDEO_SETTINGS = frozenset(
    {"num_frames", "window", "overlap", "fps", "seed", "shots", "draft_steps", "techniques", "continuation"}
)
SHOT_PROMPTS = ("prompt", "negative_prompt")
PIECE_FRAMES = 8  # frames of an extended video that are yielded at a time


@dataclass(frozen=True)
class ModelEnvironment:
    """A loaded model and how it computes, as manifests record them. `cpu_threads` is None on other devices.

    `attention_kernels` are those of `easyanimate.transformer.inference.kernel_choice`; None where none are measured.
    `compiled` is "blocks" where `easyanimate.transformer.inference.compiled_blocks` has compiled them.
    """

    model: str
    model_sha256: str
    device: str
    dtype: str
    memory: Profile
    cpu_threads: int | None = None
    attention_kernels: Mapping[str, str] | None = None
    compiled: str | None = None


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

    A film has its shots as `shots` in the settings, and their images as `shots[0].image` and so on in the files. The
    images of a shot are read with `read_image` when it begins. A draft has `draft_steps` in the settings. A video that
    keeps still scenes has `continuation`.
    """

    settings: Mapping[str, Any]
    plan: tuple[Window, ...]
    files: Mapping[str, Path]
    images: Mapping[str, Image.Image]
    video: np.ndarray | None = None
    copied: StoredFrames | None = None
    warnings: tuple[str, ...] = ()
    read_image: Callable[[Path], Image.Image] = Image.open

    def frames(
        self,
        pipe: ClipStages,
        source: "SourceEnds | None" = None,
        *,
        resume: WindowState | None = None,
        **callbacks: Unpack[WindowCallbacks],
    ) -> Iterator[Tensor]:
        """Generates the new frames, as `generate_windows` or `generate_film` does.

        `source` are the ends of a video to extend.
        """
        picture = None if source is None else source.picture
        scene = StillScene(picture, is_on=self.keeps_scenes)
        if self.settings.get("shots"):
            return generate_film(pipe, FilmShots(self), self.plan, scene=scene, resume=resume, **callbacks)
        generation = self.generation(None if source is None else source.last)
        draws, draft_steps = Draws.from_seed(self.settings["seed"]), self.settings.get("draft_steps")
        more: dict[str, Any] = {"scene": scene, "resume": resume, "draft_steps": draft_steps}
        return generate_windows(pipe, generation, self.plan, draws, **more, **callbacks)

    def prompt_warnings(self, pipe: ClipStages, source: "SourceEnds | None" = None) -> tuple[str, ...]:
        """The parts of the prompts that the model does not read; those of a film name the shot."""
        if not self.settings.get("shots"):
            return pipe.prompt_warnings(self.generation(None if source is None else source.last))
        shots = FilmShots(self)
        warnings = [(i, pipe.prompt_warnings(shots.generation(i))) for i in range(len(shots))]
        return tuple(f"shots[{i}]: {warning}" for i, of_shot in warnings for warning in of_shot)

    def generation(self, context_frames: np.ndarray | None = None) -> Generation:
        """The arguments of the pipeline; `context_frames` [n, H, W, 3] are the last ones of a video to extend."""
        arguments: dict[str, Any] = {k: value for k, value in self.settings.items() if k not in VIDEO_SETTINGS}
        arguments |= {**self.images, "num_frames": self.plan[0].num_frames}
        return Generation(**arguments, video=self.video, context_frames=context_frames)

    @property
    def keeps_scenes(self) -> bool:
        """Whether still scenes keep the picture of their first window."""
        return self.settings.get("continuation") == STILL

    @property
    def num_first(self) -> int:
        """How many first frames of a video to extend are read for its picture; 0 if scenes are not kept."""
        return int(self.settings["window"]) if self.keeps_scenes else 0

    @property
    def steps_per_window(self) -> int:
        """How often the transformer is called in each window; in a draft, until it ends."""
        settings = self.settings
        if draft_steps := settings.get("draft_steps"):
            return int(draft_steps)
        return num_timesteps(settings["scheduler"], settings["num_inference_steps"], settings["strength"])

    @property
    def total_steps(self) -> int:
        """How often the transformer is called in all windows."""
        return len(self.plan) * self.steps_per_window


class FilmShots(Sequence[Shot]):
    """The shots in the settings of `inputs`. A shot reads its images each time it is requested."""

    def __init__(self, inputs: RenderInputs) -> None:
        self._inputs = inputs
        self._shots = inputs.settings["shots"]

    def __len__(self) -> int:
        return len(self._shots)

    def __getitem__(self, index: Any) -> Any:
        shot = self._shots[index]
        images = {name: self._image(index, name) for name in ("image", "last_image")}
        try:
            generation = self.generation(index, image=images["image"])
            return Shot(
                generation=generation, seed=shot["seed"], overlap=shot["overlap"], last_image=images["last_image"]
            )
        except InvalidInput as error:
            raise InvalidInput(f"shots[{index}]: {error}") from error

    def generation(self, index: int, image: Image.Image | None = None) -> Generation:
        """The settings of a shot; without `image` those of its text and its size."""
        shot, settings = self._shots[index], self._inputs.settings
        arguments = {name: value for name, value in settings.items() if name not in VIDEO_SETTINGS}
        arguments |= {name: shot[name] for name in (*SHOT_PROMPTS, "num_frames")}
        return Generation(**arguments, image=image)

    def _image(self, index: int, name: str) -> Image.Image | None:
        path = self._inputs.files.get(f"shots[{index}].{name}")
        return None if path is None else self._inputs.read_image(path)


def check_shots(inputs: RenderInputs) -> None:
    """Checks all shots of a film before a model is loaded. Raises InvalidInput, which names the shot."""
    check_film(FilmShots(inputs), inputs.plan)


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
    return LORA_UNUSED.fill(name=report.name, applied=report.applied, total=total, module=report.unused[0])


@dataclass(frozen=True, eq=False)
class SourceEnds:
    """What an extension needs of a video: the `last` frames [F, H, W, 3], and the picture of its scene.

    The `picture` [H, W, 3] is empty if the scene is not still, and None if scenes are not kept.
    """

    last: np.ndarray
    picture: Tensor | None = None


def split_tail(
    frames: Iterable[np.ndarray], overlap: int, num_first: int = 0
) -> Generator[np.ndarray, None, SourceEnds]:
    """Yields all but the last `overlap` of `frames` [H, W, 3], in pieces [F, H, W, 3]; returns what is needed of them.

    The picture comes from the first `num_first` frames.
    """
    pending: deque[np.ndarray] = deque()
    first: list[np.ndarray] = []
    for frame in frames:
        pending.append(frame)
        if len(first) < num_first:
            first.append(frame)
        if len(pending) == PIECE_FRAMES + overlap:
            yield np.stack([pending.popleft() for _ in range(PIECE_FRAMES)])
    while len(pending) > overlap:
        yield pending.popleft()[None]
    last = np.stack(pending)
    if not first:
        return SourceEnds(last)
    return SourceEnds(last, picture_of_source(torch.from_numpy(np.stack(first)), torch.from_numpy(last)))


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
