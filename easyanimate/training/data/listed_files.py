"""The readable files of a metadata list, in aspect-ratio buckets by the sizes in their headers."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from tqdm import tqdm

from easyanimate.buckets import resize_to_image
from easyanimate.media.video.describe import describe_header
from easyanimate.training.data.image_file import image_size
from easyanimate.training.data.metadata import ListEntry
from easyanimate.training.errors import TrainingError

Bucket = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class ListedFile:
    """An entry of the list with its path, and its shown size in pixels by its header; an image has one frame."""

    entry: ListEntry
    path: Path
    width: int
    height: int
    num_frames: int


class ListedFiles:
    """The files of a list. Unreadable files are reported on stderr and counted.

    If more than the share `most_broken` is unreadable, TrainingError is raised. Only files with a broken header are
    removed, because each process detects them at its start. Files that fail later are only counted: a resumed training
    does not know them and must draw the same batches.
    """

    def __init__(self, entries: Sequence[ListEntry], folder: Path, *, most_broken: float) -> None:
        self.most_broken = most_broken
        self.broken: set[str] = set()
        self._total = len({entry.file_path for entry in entries})
        files = self._read_headers(entries, folder)
        self._by_type = {kind: [file for file in files if file.entry.type == kind] for kind in ("image", "video")}
        self._buckets: dict[tuple[str, int], dict[Bucket, list[ListedFile]]] = {}

    def check_has(self, kind: str) -> None:
        """Raises TrainingError if there is no file of this `kind`, image or video."""
        if not self._by_type[kind]:
            raise TrainingError(f"the list contains no readable {kind}, but a batch needs one")

    def draw_bucket(self, kind: str, base: int, random: Random) -> tuple[Bucket, Sequence[ListedFile]]:
        """The bucket of a random file, and all files in it; larger buckets are drawn more often.

        `kind` is image or video. `base` is the side of the square with the area of all buckets. Raises TrainingError.
        """
        self.check_has(kind)
        if (kind, base) not in self._buckets:
            self._buckets[kind, base] = _sort(self._by_type[kind], base)
        bucket = _bucket(random.choice(self._by_type[kind]), base)
        return bucket, self._buckets[kind, base][bucket]

    def count_broken(self, entry: ListEntry, error: Exception) -> None:
        """Counts and reports an unreadable file, once. Raises TrainingError if there are too many."""
        if entry.file_path in self.broken:
            return
        self.broken.add(entry.file_path)
        tqdm.write(f"skipped {entry.file_path}: {error} ({len(self.broken)} of {self._total})", file=sys.stderr)
        if len(self.broken) > self.most_broken * self._total:
            raise TrainingError(
                f"{len(self.broken)} of {self._total} files cannot be read, more than {self.most_broken:.0%}; "
                f"the last is {entry.file_path}: {error}"
            ) from error

    def _read_headers(self, entries: Sequence[ListEntry], folder: Path) -> list[ListedFile]:
        """The files with readable headers. A file that is listed several times is opened once."""
        read, listed = cache(_header), []
        for entry in tqdm(entries, desc="reading headers", unit="file", delay=2, disable=None):
            try:
                path = folder / entry.file_path
                listed.append(ListedFile(entry, path, *read(entry.type, path)))
            except (OSError, ValueError) as error:
                self.count_broken(entry, error)
        return listed


def _header(kind: str, path: Path) -> tuple[int, int, int]:
    """Width, height and number of frames."""
    if kind == "image":
        return (*image_size(path), 1)
    with path.open("rb") as file:
        video = describe_header(file)
    return video.width, video.height, video.num_frames


def _sort(files: Sequence[ListedFile], base: int) -> dict[Bucket, list[ListedFile]]:
    buckets = defaultdict(list)
    for file in files:
        buckets[_bucket(file, base)].append(file)
    return buckets


def _bucket(file: ListedFile, base: int) -> Bucket:
    return resize_to_image(file.width, file.height, base)
