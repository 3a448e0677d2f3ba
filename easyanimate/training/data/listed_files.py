"""The files of a metadata list that can be read: their sizes from headers alone, sorted into aspect-ratio buckets."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from tqdm import tqdm

from easyanimate.buckets import resize_to_image
from easyanimate.files.video_file import VideoHeader, read_header
from easyanimate.training.data.image_file import image_size
from easyanimate.training.data.metadata import ListEntry
from easyanimate.training.errors import TrainingError

Bucket = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class ListedFile:
    """An entry, where it is, and what its header promises. An image has one frame."""

    entry: ListEntry
    path: Path
    header: VideoHeader


class ListedFiles:
    """Each that cannot be read is named on stderr and counted; when more than `most_broken` of all are, TrainingError.

    Left out are only those with a broken header, which every process finds at its start. What turns out later is
    counted and no more: a training that goes on from a checkpoint knows nothing of it, and must draw the same.
    """

    def __init__(self, entries: Sequence[ListEntry], folder: Path, *, most_broken: float) -> None:
        self.most_broken = most_broken
        self.broken: set[str] = set()
        self._total = len({entry.file_path for entry in entries})
        files = self._look_at(entries, folder)
        self._by_type = {kind: [file for file in files if file.entry.type == kind] for kind in ("image", "video")}
        self._buckets: dict[tuple[str, int], dict[Bucket, list[ListedFile]]] = {}

    def refuse_without(self, kind: str) -> None:
        """Raises TrainingError if there is no file of this `kind`, image or video."""
        if not self._by_type[kind]:
            raise TrainingError(f"the list holds no {kind} that can be read, but a batch needs some")

    def draw_bucket(self, kind: str, base: int, random: Random) -> tuple[Bucket, Sequence[ListedFile]]:
        """The bucket of a random file, so that larger ones come more often, and all files in it.

        `kind` is image or video, `base` the side of the square whose area all buckets have. Raises TrainingError.
        """
        self.refuse_without(kind)
        if (kind, base) not in self._buckets:
            self._buckets[kind, base] = _sort(self._by_type[kind], base)
        bucket = _bucket(random.choice(self._by_type[kind]), base)
        return bucket, self._buckets[kind, base][bucket]

    def count_broken(self, entry: ListEntry, error: Exception) -> None:
        """Name a file that cannot be read, once. Raises TrainingError when it is one too many."""
        if entry.file_path in self.broken:
            return
        self.broken.add(entry.file_path)
        tqdm.write(f"left out {entry.file_path}: {error} ({len(self.broken)} of {self._total})", file=sys.stderr)
        if len(self.broken) > self.most_broken * self._total:
            raise TrainingError(
                f"{len(self.broken)} of {self._total} files cannot be read, more than {self.most_broken:.0%}; "
                f"the last is {entry.file_path}: {error}"
            ) from error

    def _look_at(self, entries: Sequence[ListEntry], folder: Path) -> list[ListedFile]:
        """Those whose headers can be read. A file that is listed often is opened but once."""
        look, found = cache(_header), []
        for entry in tqdm(entries, desc="looking at files", unit="file", delay=2, disable=None):
            try:
                found.append(ListedFile(entry, folder / entry.file_path, look(entry.type, folder / entry.file_path)))
            except (OSError, ValueError) as error:
                self.count_broken(entry, error)
        return found


def _header(kind: str, path: Path) -> VideoHeader:
    return read_header(path) if kind == "video" else VideoHeader(1, *image_size(path))


def _sort(files: Sequence[ListedFile], base: int) -> dict[Bucket, list[ListedFile]]:
    buckets = defaultdict(list)
    for file in files:
        buckets[_bucket(file, base)].append(file)
    return buckets


def _bucket(file: ListedFile, base: int) -> Bucket:
    return resize_to_image(file.header.width, file.header.height, base)
