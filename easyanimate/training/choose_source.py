"""The source that a training's settings name."""

from easyanimate.training.configuration import ListSettings, WorldSettings
from easyanimate.training.listed_clips import ListedClips
from easyanimate.training.sources import DrawnClips, Source


def choose_source(world: WorldSettings, files: ListSettings | None) -> Source:
    """The files of a list, or else the procedural set. Raises TrainingError for a list that cannot be read."""
    if files is None:
        return DrawnClips(world)
    folder = files.folder or files.metadata.parent
    return ListedClips(files.metadata, folder, most_broken=files.most_broken, whole_length=files.whole_length)
