"""Images and videos of a metadata list as a source, in aspect-ratio buckets (spec: transformer 19.2)."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.files.video_file import read_window
from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.training.data.image_file import read_image_file
from easyanimate.training.data.listed_files import Bucket, ListedFile, ListedFiles
from easyanimate.training.data.metadata import read_metadata_list
from easyanimate.training.data.sources import Clips
from easyanimate.training.errors import TrainingError
from easyanimate.training.run.configuration import BatchSettings

TRIES = 20  # buckets without a file that can be read, before a list counts as useless
Read = tuple[ListedFile, Tensor]  # with its clip [3, F, H, W] in [-1, 1]


class ListedClips:
    """A batch follows from the files and the random numbers alone, whatever was drawn before.

    A file that cannot be read is named on stderr, counted, and replaced by the next one of the same bucket; when more
    than `most_broken` of all are, TrainingError.
    """

    def __init__(self, metadata: Path, folder: Path, *, most_broken: float = 0.1, whole_length: float = 0.9) -> None:
        """With `whole_length` (a share) a video is as long as the batch allows, else a shorter multiple of 8."""
        self.whole_length = whole_length
        self._files = ListedFiles(read_metadata_list(metadata, folder), folder, most_broken=most_broken)

    @property
    def broken(self) -> frozenset[str]:
        """The files that could not be read."""
        return frozenset(self._files.broken)

    def refuse_unless_suits(self, kinds: Sequence[BatchSettings]) -> None:
        """Raises TrainingError if the list has nothing for one of these batches."""
        for kind in kinds:
            self._files.refuse_without(_type_of(kind))

    def clips(self, kind: BatchSettings, random: Random) -> Clips:
        """A batch of files of one bucket; videos where `kind.frames` is more than 1. Raises TrainingError."""
        which = _type_of(kind)
        base = round((kind.height * kind.width) ** 0.5)
        for _ in range(TRIES):
            bucket, files = self._files.draw_bucket(which, base, random)
            batch = self._read_batch(files, bucket, kind, random)
            if batch:
                return self._cut(batch, kind.frames, random)
        raise TrainingError(f"no batch of {which}s could be read in {TRIES} tries; look at the files named before")

    def _read_batch(
        self, files: Sequence[ListedFile], bucket: Bucket, kind: BatchSettings, random: Random
    ) -> list[Read]:
        """As many as asked for: none comes twice before all came once. Empty if no file can be read."""
        batch: list[Read] = []
        while len(batch) < kind.batch_size:
            order = _in_random_order(files, random)
            more = list(islice(self._readable(order, bucket, kind.frames, random), kind.batch_size - len(batch)))
            if not more:
                return []
            batch += more
        return batch

    def _readable(self, order: Iterator[ListedFile], bucket: Bucket, num_frames: int, random: Random) -> Iterator[Read]:
        for file in order:
            try:
                clip = _read(file, bucket, num_frames, random)
            except (OSError, ValueError) as error:
                self._files.count_broken(file.entry, error)
                continue
            yield file, clip

    def _cut(self, batch: list[Read], most: int, random: Random) -> Clips:
        """All as long as the shortest, or shorter still."""
        is_whole = random.random() < self.whole_length
        length = _common_length([clip.shape[1] for _, clip in batch], most, None if is_whole else random)
        pixels = torch.stack([clip[:, :length] for _, clip in batch])
        texts = [file.entry.text for file, _ in batch]
        return Clips(lambda: pixels, lambda i, _: texts[i])


def _type_of(kind: BatchSettings) -> str:
    return "image" if kind.frames == 1 else "video"


def _in_random_order(files: Sequence[ListedFile], random: Random) -> Iterator[ListedFile]:
    """Each once; costs only as much as is taken, however long the list (a shuffle that remembers what it moved)."""
    moved: dict[int, int] = {}
    for last in reversed(range(len(files))):
        i = random.randint(0, last)
        yield files[moved.get(i, i)]
        moved[i] = moved.get(last, last)


def _read(file: ListedFile, bucket: Bucket, num_frames: int, random: Random) -> Tensor:
    """A clip [3, F, H, W] of at most `num_frames` from a random place. InvalidInput if it cannot be decoded.

    A video whose header promised more than is there by then is read from its first frame on.
    """
    if file.entry.type == "image":
        return _fit(read_image_file(file.path), bucket)[:, None]
    promised = file.header.num_frames
    start = random.randint(0, max(0, promised - num_frames))
    frames = [_fit(frame, bucket) for frame in read_window(file.path, start, num_frames)]
    if start and len(frames) < num_frames:
        frames = [_fit(frame, bucket) for frame in read_window(file.path, 0, num_frames)]
    if not frames:
        raise InvalidInput(f"{file.path} has no frame in it, though its header promises {promised}")
    return torch.stack(frames, dim=1)


def _common_length(lengths: list[int], most: int, shorter: Random | None) -> int:
    """The shortest length, cut to a multiple of 8, or 1; a random shorter one with `shorter`."""
    length = min([*lengths, most]) // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    if length == 0:
        return 1
    if shorter is None or length == FRAMES_PER_SLICE:
        return length
    return shorter.randrange(FRAMES_PER_SLICE, length, FRAMES_PER_SLICE)


def _fit(frame: np.ndarray, bucket: Bucket) -> Tensor:
    """[3, H, W] in [-1, 1]: a frame [H, W, 3] scaled to cover the bucket, and cut about the middle."""
    width, height = bucket
    old_height, old_width = frame.shape[:2]
    scale = max(width / old_width, height / old_height)
    size = (max(height, round(old_height * scale)), max(width, round(old_width * scale)))
    pixels = torch.tensor(frame).permute(2, 0, 1)[None].float()
    pixels = torch.nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True).clamp(0, 255)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return pixels[0, :, top : top + height, left : left + width] / 127.5 - 1
