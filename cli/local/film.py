"""The shots of a film on this machine, from their YAML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.local.recipe import RecipeSettings, RecipeShot, Sources
from cli.options import GenerationOptions
from cli.shots_file import IMAGES, ShotEntry, read_shots
from easyanimate.errors import InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE, nearest_num_frames
from easyanimate.windows import DEFAULT_OVERLAP
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard


@dataclass(frozen=True)
class Film:
    """The entries of a file with their frames and overlaps, and their images as in manifests."""

    entries: tuple[ShotEntry, ...]
    num_frames: tuple[int, ...]
    overlaps: tuple[int, ...]
    images: Mapping[str, Path]

    def applied_to(self, settings: RecipeSettings) -> tuple[RecipeSettings, Sources]:
        """The settings and the input files of the film; what a shot does not set is that of `settings`."""
        shots = [
            RecipeShot(
                prompt=entry.prompt,
                negative_prompt=settings.negative_prompt if entry.negative_prompt is None else entry.negative_prompt,
                num_frames=num_frames,
                seed=settings.seed + index if entry.seed is None else entry.seed,
                overlap=overlap,
            )
            for index, (entry, num_frames, overlap) in enumerate(
                zip(self.entries, self.num_frames, self.overlaps, strict=True)
            )
        ]
        prompt = "\n".join(shot.prompt for shot in shots)
        changes = {"prompt": prompt, "num_frames": sum(self.num_frames), "shots": shots}
        return settings.model_copy(update=changes), Sources(shots=self.images)


def read_film(path: Path, card: ModelCard, options: GenerationOptions) -> Film:
    """The film in the file at `path`. Raises RefusedCommand, InvalidInput."""
    entries = read_shots(path)
    overlap = DEFAULT_OVERLAP if options.overlap is None else options.overlap
    return Film(
        entries,
        tuple(_frames(index, entry, card) for index, entry in enumerate(entries)),
        tuple(_overlap(entry, 0 if index == 0 else overlap) for index, entry in enumerate(entries)),
        find_images(path, entries),
    )


def find_images(path: Path, entries: Sequence[ShotEntry]) -> dict[str, Path]:
    """The image files of the shots by their names in manifests, such as `shots[1].image`."""
    named = ((f"shots[{i}].{name}", getattr(entry, name)) for i, entry in enumerate(entries) for name in IMAGES)
    return {name: path.parent / text for name, text in named if text is not None}


def _frames(index: int, entry: ShotEntry, card: ModelCard) -> int:
    """The frames of a shot, or of the nearest possible playing time."""
    if entry.num_frames is None:
        wanted = (entry.seconds or 0) * card.fps
        return max(FRAMES_PER_SLICE, nearest_num_frames(wanted, card.max_video_frames))
    try:
        card.check_num_frames(entry.num_frames, FRAMES_PER_SLICE)
    except InvalidRequest as error:
        raise InvalidInput(f"shots[{index}]: {error}") from error
    return entry.num_frames


def _overlap(entry: ShotEntry, default: int) -> int:
    if entry.image is not None:
        return 0
    return default if entry.overlap is None else entry.overlap
