"""The source that a training's settings name."""

from easyanimate.training.data.listed_clips import ListedClips
from easyanimate.training.data.sources import DrawnClips, Source
from easyanimate.training.run.configuration import DataSettings


def choose_source(data: DataSettings) -> Source:
    """The files of a list, or else the procedural set. Raises TrainingError for a list that cannot be read, or has
    nothing for one of the batches."""
    files = data.files
    if files is None:
        return DrawnClips(data.world)
    folder = files.folder or files.metadata.parent
    source = ListedClips(files.metadata, folder, most_broken=files.most_broken, whole_length=files.whole_length)
    source.refuse_unless_suits(data.batches)
    return source
