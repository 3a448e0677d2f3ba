"""Images and videos of a metadata list as a source of clips, in aspect-ratio buckets (spec: transformer 19.2)."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor

from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.media.video.reader import open_reader
from easyanimate.training.data.image_file import read_image_file
from easyanimate.training.data.listed_files import Bucket, ListedFile, ListedFiles
from easyanimate.training.data.metadata import read_metadata_list
from easyanimate.training.data.sources import Clips
from easyanimate.training.errors import TrainingError
from easyanimate.training.run.configuration import BatchSettings

MAX_TRIES = 20  # buckets without a readable file before the training fails
LoadedFile = tuple[ListedFile, Tensor]  # with its clip [3, F, H, W] in [-1, 1]


class ListedClips:
    """The files of a list as batches, which depend on the files and the random numbers only.

    An unreadable file is reported on stderr, counted, and replaced by the next one of the same bucket. If more than the
    share `most_broken` of the files is unreadable, TrainingError is raised.
    """

    def __init__(self, metadata: Path, folder: Path, *, most_broken: float = 0.1, whole_length: float = 0.9) -> None:
        """A share `whole_length` of the videos is as long as the batch allows; the others are shorter."""
        self.whole_length = whole_length
        self._files = ListedFiles(read_metadata_list(metadata, folder), folder, most_broken=most_broken)

    @property
    def broken(self) -> frozenset[str]:
        """The unreadable files."""
        return frozenset(self._files.broken)

    def check_batches(self, kinds: Sequence[BatchSettings]) -> None:
        """Raises TrainingError if the list has no files for one of these batches."""
        for kind in kinds:
            self._files.check_has(_type_of(kind))

    def clips(self, kind: BatchSettings, random: Random) -> Clips:
        """A batch of files of one bucket, images for `kind.frames` = 1. Raises TrainingError."""
        file_type = _type_of(kind)
        base = round((kind.height * kind.width) ** 0.5)
        for _ in range(MAX_TRIES):
            bucket, files = self._files.draw_bucket(file_type, base, random)
            batch = self._read_batch(files, bucket, kind, random)
            if batch:
                return self._cut(batch, kind.frames, random)
        raise TrainingError(
            f"no batch of {file_type}s could be read in {MAX_TRIES} tries; check the files reported before"
        )

    def _read_batch(
        self, files: Sequence[ListedFile], bucket: Bucket, kind: BatchSettings, random: Random
    ) -> list[LoadedFile]:
        """The files of a batch; no file is used twice before all are used once. Empty if no file can be read."""
        batch: list[LoadedFile] = []
        while len(batch) < kind.batch_size:
            order = _in_random_order(files, random)
            more = list(islice(self._readable(order, bucket, kind.frames, random), kind.batch_size - len(batch)))
            if not more:
                return []
            batch += more
        return batch

    def _readable(
        self, order: Iterator[ListedFile], bucket: Bucket, num_frames: int, random: Random
    ) -> Iterator[LoadedFile]:
        for file in order:
            try:
                clip = _read(file, bucket, num_frames, random)
            except (OSError, ValueError) as error:
                self._files.count_broken(file.entry, error)
                continue
            yield file, clip

    def _cut(self, batch: list[LoadedFile], max_frames: int, random: Random) -> Clips:
        """The clips of a batch, cut to the length of the shortest or less."""
        is_whole = random.random() < self.whole_length
        length = _common_length([clip.shape[1] for _, clip in batch], max_frames, None if is_whole else random)
        pixels = torch.stack([clip[:, :length] for _, clip in batch])
        texts = [file.entry.text for file, _ in batch]
        return Clips(lambda: pixels, lambda i, _: texts[i])


def _type_of(kind: BatchSettings) -> str:
    return "image" if kind.frames == 1 else "video"


def _in_random_order(files: Sequence[ListedFile], random: Random) -> Iterator[ListedFile]:
    """Each file once, in random order: a lazy shuffle, whose cost depends on the number of files used."""
    moved: dict[int, int] = {}
    for last in reversed(range(len(files))):
        i = random.randint(0, last)
        yield files[moved.get(i, i)]
        moved[i] = moved.get(last, last)


def _read(file: ListedFile, bucket: Bucket, num_frames: int, random: Random) -> Tensor:
    """A clip [3, F, H, W] of at most `num_frames` at a random position. Raises ValueError if it cannot be decoded.

    A video that has fewer frames than when it was listed is read from its first frame.
    """
    if file.entry.type == "image":
        return _fit(read_image_file(file.path), bucket)[:, None]
    start = random.randint(0, max(0, file.num_frames - num_frames))
    with file.path.open("rb") as content, open_reader(content) as reader:
        if start + num_frames > reader.description.num_frames:
            start = 0
        return torch.stack([_fit(frame, bucket) for frame in reader.window(start, num_frames)], dim=1)


def _common_length(lengths: list[int], max_frames: int, shorter: Random | None) -> int:
    """The shortest length, cut to a multiple of 8, or 1; with `shorter` a random shorter length."""
    length = min([*lengths, max_frames]) // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    if length == 0:
        return 1
    if shorter is None or length == FRAMES_PER_SLICE:
        return length
    return shorter.randrange(FRAMES_PER_SLICE, length, FRAMES_PER_SLICE)


def _fit(frame: np.ndarray, bucket: Bucket) -> Tensor:
    """Scales a frame [H, W, 3] to cover the bucket and crops its centre: [3, H, W] in [-1, 1]."""
    width, height = bucket
    old_height, old_width = frame.shape[:2]
    scale = max(width / old_width, height / old_height)
    size = (max(height, round(old_height * scale)), max(width, round(old_width * scale)))
    pixels = torch.tensor(frame).permute(2, 0, 1)[None].float()
    pixels = torch.nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True).clamp(0, 255)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return pixels[0, :, top : top + height, left : left + width] / 127.5 - 1
