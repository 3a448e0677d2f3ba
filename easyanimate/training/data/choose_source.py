"""Selection of the source of clips by the settings."""

from easyanimate.training.data.listed_clips import ListedClips
from easyanimate.training.data.sources import DrawnClips, Source
from easyanimate.training.run.configuration import DataSettings


def choose_source(data: DataSettings) -> Source:
    """The files of a list, or the procedural set without a list.

    Raises TrainingError if the list cannot be read or has no files for one of the batches.
    """
    files = data.files
    if files is None:
        return DrawnClips(data.world)
    folder = files.folder or files.metadata.parent
    source = ListedClips(files.metadata, folder, most_broken=files.most_broken, whole_length=files.whole_length)
    source.check_batches(data.batches)
    return source
