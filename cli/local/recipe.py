"""The recipe of a video on this machine: settings, input files and LoRAs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from cli.local.source_video import read_first_frames, read_tail
from easyanimate.errors import InvalidInput
from easyanimate.geometry import VISIBLE_SHAPE_CHANGE, shape_change
from easyanimate.sampling import techniques_of
from easyanimate.windows import ContinuationMode, ShotLength, Window, plan_shots, plan_windows
from jobs.model.request import GenerationSettings

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from easyanimate.files.mp4_join import StoredFrames
    from easyanimate.render import LoraSource, RenderInputs

IMAGES = ("image", "last_image", "mask")


class RecipeShot(BaseModel, frozen=True, extra="forbid", strict=True):
    """One shot of a film: `num_frames` frames after `overlap` frames of the shot before; 0 is a cut."""

    prompt: str
    negative_prompt: str = ""
    num_frames: int
    seed: int
    overlap: int = 0


class RecipeSettings(GenerationSettings, strict=True):
    """All parameters that determine the frames, besides the model, the LoRAs and the input files.

    `num_frames` are the new frames, in windows of `window` frames. `fps` is a number or a fraction like 24000/1001.
    A film has `shots`; its `prompt` is that of all shots, joined by newlines. A draft ends after `draft_steps` steps.
    `continuation` says how later windows continue; None is `frames`.
    """

    num_frames: int
    window: int
    fps: str
    sample_posterior: bool = True
    shots: list[RecipeShot] | None = None
    draft_steps: int | None = None
    continuation: ContinuationMode | None = None
    techniques: list[str] | None = None


@dataclass(frozen=True)
class Sources:
    """The input files, by the names of their options; `shots` has those of a film, as `shots[0].image` and so on."""

    image: Path | None = None
    last_image: Path | None = None
    video: Path | None = None
    mask: Path | None = None
    continues: Path | None = None
    shots: Mapping[str, Path] = field(default_factory=dict)

    def files(self) -> dict[str, Path]:
        """The files that are set, by name."""
        paths = ((each.name, getattr(self, each.name)) for each in fields(self) if each.name != "shots")
        return {**{name: path for name, path in paths if path is not None}, **self.shots}


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a video, except the model."""

    settings: RecipeSettings
    sources: Sources
    loras: "tuple[LoraSource, ...]"

    def plan(self) -> tuple[Window, ...]:
        """The windows of the video; InvalidInput if there is no plan."""
        settings = self.settings
        try:
            if settings.shots is not None:
                lengths = [
                    ShotLength(shot.num_frames, shot.overlap, f"shots[{i}].last_image" in self.sources.shots)
                    for i, shot in enumerate(settings.shots)
                ]
                return plan_shots(lengths, window=settings.window, overlap=settings.overlap)
            return plan_windows(
                settings.num_frames,
                window=settings.window,
                overlap=settings.overlap,
                continues=settings.overlap if self.sources.continues else 0,
                end_image=self.sources.last_image is not None,
            )
        except ValueError as problem:
            raise InvalidInput(str(problem)) from problem

    def inputs(self) -> "RenderInputs":
        """The inputs of the renderer, with the files read; InvalidInput for what the pipeline refuses."""
        from easyanimate.render import RenderInputs, check_shots

        settings, plan, files = self.settings, self.plan(), self.sources.files()
        video, source, fps = self.sources.video, self.sources.continues, Fraction(settings.fps)
        copied, warnings = self._copied_frames()
        images = {name: read_image(path) for name, path in files.items() if name in IMAGES}
        frames = None if video is None else read_first_frames(video, plan[0].num_frames, fps)
        inputs = RenderInputs(
            settings=_recorded(settings),
            plan=plan,
            files=files,
            images=images,
            video=frames,
            copied=copied,
            warnings=(*warnings, *self._stretched_inputs(images, frames)),
            read_image=read_image,
        )
        if settings.shots is not None:
            check_shots(inputs)
            return inputs
        inputs.generation(None if source is None else read_tail(source, settings.overlap, fps))
        return inputs

    def _stretched_inputs(self, images: "dict[str, Image.Image]", video: "np.ndarray | None") -> Iterator[str]:
        """A warning for each image, and for the `video` [F, H, W, 3], of another shape than the result."""
        from PIL import ImageOps

        size = (self.settings.width, self.settings.height)
        shapes = {name: ImageOps.exif_transpose(image).size for name, image in images.items()}
        shapes |= {name: ImageOps.exif_transpose(read_image(path)).size for name, path in self.sources.shots.items()}
        if video is not None:
            shapes["video"] = (video.shape[2], video.shape[1])
        for name, shape in shapes.items():
            if shape_change(shape, size) > VISIBLE_SHAPE_CHANGE:
                option = name if name in self.sources.shots else f"--{name.replace('_', '-')}"
                yield f"{option}: {shape[0]}x{shape[1]} is stretched to {size[0]}x{size[1]}, another shape"

    def _copied_frames(self) -> "tuple[StoredFrames | None, tuple[str, ...]]":
        """The frames of the video to extend that are not encoded again, and warnings."""
        from easyanimate.files.copyable_frames import find_copyable_frames

        settings, path = self.settings, self.sources.continues
        if path is None:
            return None, ()
        size = {"width": settings.width, "height": settings.height}
        return find_copyable_frames(path, **size, fps=Fraction(settings.fps), overlap=settings.overlap)


def _recorded(settings: RecipeSettings) -> dict[str, Any]:
    """The settings as manifests have them: an exact result has no quality, since earlier releases refuse the name."""
    values = settings.model_dump(exclude_none=True)
    if settings.quality == "exact":
        return {name: value for name, value in values.items() if name != "quality"}
    return values | {"techniques": list(techniques_of(settings.quality))}


def read_image(path: Path) -> "Image.Image":
    """The image at `path`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as problem:
        raise InvalidInput(f"{path} is not an image that can be read: {problem}") from problem
