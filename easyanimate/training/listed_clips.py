"""Images and videos of a metadata list as a source, in aspect-ratio buckets (spec: transformer 19.2)."""

import sys
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from easyanimate.buckets import resize_to_image
from easyanimate.errors import EasyAnimateError
from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.training.configuration import BatchSettings
from easyanimate.training.errors import TrainingError
from easyanimate.training.metadata import Entry, read_metadata
from easyanimate.training.sources import Clips
from easyanimate.video_file import read_frames

TRIES = 20  # for a batch, before a list counts as useless


class ListedClips:
    """`base_size` is the side of the square whose area all buckets have.

    A file that cannot be read is named on stderr, counted, and left out from then on; when more than `most_broken` of
    all are, TrainingError.
    """

    def __init__(self, metadata: Path, folder: Path, *, most_broken: float = 0.1, whole_length: float = 0.9) -> None:
        """With `whole_length` (a share) a video is as long as the batch allows, else a shorter multiple of 8."""
        self.folder, self.most_broken, self.whole_length = folder, most_broken, whole_length
        entries = read_metadata(metadata)
        self._by_type = {kind: [entry for entry in entries if entry.type == kind] for kind in ("image", "video")}
        self._total = len(entries)
        self._broken: set[str] = set()
        self._sizes: dict[str, tuple[int, int]] = {}

    @property
    def broken(self) -> frozenset[str]:
        """The files that could not be read."""
        return frozenset(self._broken)

    def clips(self, kind: BatchSettings, random: Random) -> Clips:
        """A batch of files of one bucket; videos where `kind.frames` is more than 1. Raises TrainingError."""
        which = "image" if kind.frames == 1 else "video"
        base = round((kind.height * kind.width) ** 0.5)
        for _ in range(TRIES):
            whole = [entry for entry in self._by_type[which] if entry.file_path not in self._broken]
            if not whole:
                raise TrainingError(
                    f"the list holds no {which} that can be read; a batch of frames = {kind.frames} needs some"
                )
            found = self._batch(whole, kind, base, random)
            if found is not None:
                return found
        raise TrainingError(f"no batch of {which}s could be read in {TRIES} tries; look at the files named before")

    def _batch(self, entries: list[Entry], kind: BatchSettings, base: int, random: Random) -> Clips | None:
        """Files of the bucket of a random one; None if one of them is broken."""
        first = random.choice(entries)
        bucket = self._bucket(first, base)
        if bucket is None:
            return None
        alike = [entry for entry in random.sample(entries, len(entries)) if self._bucket(entry, base) == bucket]
        chosen = (alike * kind.batch_size)[: kind.batch_size]
        whole = random.random() < self.whole_length
        read = [self._read(entry, kind.frames, random) for entry in chosen]
        if any(frames is None for frames in read):
            return None
        clips = [frames for frames in read if frames is not None]
        length = _common_length([len(frames) for frames in clips], kind.frames, None if whole else random)
        pixels = torch.stack([_fit(frames[:length], bucket) for frames in clips])
        return Clips(lambda: pixels, lambda i, _: chosen[i].text)

    def _bucket(self, entry: Entry, base: int) -> tuple[int, int] | None:
        """(width, height) of the bucket, or None for a broken file."""
        if entry.file_path not in self._sizes:
            frames = self._read(entry, 1, Random(0))  # noqa: S311  not a secret
            if frames is None:
                return None
            self._sizes[entry.file_path] = (frames.shape[2], frames.shape[1])
        return resize_to_image(*self._sizes[entry.file_path], base)

    def _read(self, entry: Entry, frames: int, random: Random) -> np.ndarray | None:
        """At most `frames` frames [F, H, W, 3] from a random place, uint8; None if the file is broken."""
        path = self.folder / entry.file_path
        try:
            if entry.type == "image":
                with Image.open(path) as picture:
                    return np.asarray(picture.convert("RGB"))[None]
            pixels = np.stack(list(read_frames(path)))
            start = random.randint(0, max(0, len(pixels) - frames))
            return pixels[start : start + frames]
        except (OSError, EasyAnimateError, ValueError) as error:
            self._leave_out(entry, error)
            return None

    def _leave_out(self, entry: Entry, error: Exception) -> None:
        self._broken.add(entry.file_path)
        sys.stderr.write(f"left out {entry.file_path}: {error} ({len(self._broken)} of {self._total})\n")
        if len(self._broken) > self.most_broken * self._total:
            raise TrainingError(
                f"{len(self._broken)} of {self._total} files cannot be read, more than {self.most_broken:.0%}; "
                f"the last is {entry.file_path}: {error}"
            ) from error


def _common_length(lengths: list[int], most: int, shorter: Random | None) -> int:
    """The shortest length, cut to a multiple of 8, or 1; a random shorter one with `shorter`."""
    length = min([*lengths, most]) // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    if length == 0:
        return 1
    if shorter is None or length == FRAMES_PER_SLICE:
        return length
    return shorter.randrange(FRAMES_PER_SLICE, length, FRAMES_PER_SLICE)


def _fit(frames: np.ndarray, bucket: tuple[int, int]) -> Tensor:
    """[3, F, H, W] in [-1, 1]: scaled to cover the bucket (width, height), and cut about the middle."""
    width, height = bucket
    old_height, old_width = frames.shape[1:3]
    scale = max(width / old_width, height / old_height)
    size = (max(height, round(old_height * scale)), max(width, round(old_width * scale)))
    pixels = torch.tensor(frames).permute(0, 3, 1, 2).float()
    pixels = torch.nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True).clamp(0, 255)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    cut = pixels[:, :, top : top + height, left : left + width]
    return (cut / 127.5 - 1).permute(1, 0, 2, 3)
