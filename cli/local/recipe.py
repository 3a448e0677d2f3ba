"""What `easyanimate generate` makes, as it can be written down and made again: settings, given files, LoRAs."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from easyanimate.errors import InvalidInput
from easyanimate.windows import Window, plan_windows

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from easyanimate.pipeline import Generation


IMAGES = ("image", "last_image", "mask")  # those of the sources that are pictures


class RecipeSettings(BaseModel):
    """All numbers and words that determine the frames, besides the model, the LoRAs and the given files.

    `num_frames` are made anew, `window` of them at a time; `fps` is a number or a fraction like 24000/1001.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: str
    negative_prompt: str
    width: int
    height: int
    num_frames: int
    window: int
    overlap: int
    fps: str
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    strength: float
    clip_apply_ratio: float = 0.5
    sample_posterior: bool = True
    smooth: bool = True
    clean_caption: bool = True
    seed: int


@dataclass(frozen=True)
class Sources:
    """The files that were given, as the options say."""

    image: Path | None = None
    last_image: Path | None = None
    video: Path | None = None
    mask: Path | None = None
    continues: Path | None = None

    def items(self) -> Iterator[tuple[str, Path]]:
        """Those that were given, by name."""
        for field in fields(self):
            path = getattr(self, field.name)
            if path is not None:
                yield field.name, path


@dataclass(frozen=True)
class LocalLora:
    """A LoRA by the file it is read from, and how strongly it works."""

    path: Path
    scale: float


@dataclass(frozen=True)
class Recipe:
    """Everything about one video, but the model."""

    settings: RecipeSettings
    sources: Sources
    loras: tuple[LocalLora, ...]

    def plan(self) -> tuple[Window, ...]:
        """The windows it is made of; InvalidInput if there is no plan."""
        asked = self.settings
        try:
            return plan_windows(
                asked.num_frames,
                window=asked.window,
                overlap=asked.overlap,
                continues=asked.overlap if self.sources.continues else 0,
                end_image=self.sources.last_image is not None,
            )
        except ValueError as problem:
            raise InvalidInput(str(problem)) from problem

    def generation(self) -> "Generation":
        """What the pipeline is asked for, with the given files read; InvalidInput for what it cannot make."""
        from easyanimate.pipeline import Generation

        told, sources = self.settings, self.sources
        same = told.model_dump(exclude={"num_frames", "window", "overlap", "fps", "seed"})
        num_frames = self.plan()[0].num_frames
        if sources.video is not None:
            same["video"] = read_video_frames(sources.video, num_frames, Fraction(told.fps))
        if sources.continues is not None:
            same["context_frames"] = read_tail(sources.continues, told.overlap)
        same |= {name: read_image(path) for name, path in sources.items() if name in IMAGES}
        return Generation(**same, num_frames=num_frames)


def read_image(path: Path) -> "Image.Image":
    """The picture at `path`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as problem:
        raise InvalidInput(f"{path} is not a picture that can be read: {problem}") from problem


def read_video_frames(path: Path, num_frames: int, fps: Fraction) -> "np.ndarray":
    """The first `num_frames` of a video, [F, H, W, 3]; of one at twice `fps` or more, every second or so frame."""
    import numpy as np

    from easyanimate.files.video_file import probe, read_frames

    every = max(1, int(probe(path).fps // fps))
    return np.stack(list(islice(read_frames(path), 0, num_frames * every, every)))


def read_tail(path: Path, overlap: int) -> "np.ndarray":
    """The last `overlap` frames of a video, [n, H, W, 3]; only so many are held at a time."""
    import numpy as np

    from easyanimate.files.video_file import read_frames

    frames: deque[Any] = deque(read_frames(path), maxlen=overlap)
    if len(frames) < overlap:
        raise InvalidInput(f"{path} has {len(frames)} frames; going on from it takes --overlap {len(frames)}")
    return np.stack(frames)


def read_head(path: Path, overlap: int) -> "Iterator[np.ndarray]":
    """The frames before the last `overlap` of a video, one at a time as [1, H, W, 3]."""
    from easyanimate.files.video_file import read_frames

    waiting: deque[Any] = deque()
    for frame in read_frames(path):
        waiting.append(frame[None])
        if len(waiting) > overlap:
            yield waiting.popleft()
