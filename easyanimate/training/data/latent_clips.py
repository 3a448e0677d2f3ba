"""Clips as a transformer is trained on them: posteriors of latents, of what is given, and of the mask.

A slice is encoded alone, so a clip of which the first or last frames are given costs only its outer slices.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.training.data.masks import random_ends
from easyanimate.training.data.sources import DrawnClips, Source
from easyanimate.training.errors import TrainingError
from easyanimate.training.optimization.randomness import random_at
from easyanimate.training.run.configuration import BatchSettings
from easyanimate.training.run.export import writing
from easyanimate.training.tasks.transformer_settings import MaskSettings
from easyanimate.vae import AutoencoderKLSlice

ENCODED_AT_ONCE = 16
MADE_AT_ONCE = 64
Posteriors = Tensor  # [B, 2, C, F, h, w]: mean and standard deviation


@dataclass(frozen=True, eq=False)
class LatentClips:
    """A batch: posteriors [B, 2, C, F, h, w] of the clips, of their masks and of their masked videos; the picture for
    the image encoder [B, 3, S, S]; whether first frames are given [B]; what is said."""

    clips: Posteriors
    masks: Posteriors
    masked: Posteriors
    pictures: Tensor
    has_start: Tensor
    captions: tuple[str, ...]


class VaeReader:
    """Posteriors of the three videos an inpainting model is told."""

    def __init__(self, vae: AutoencoderKLSlice) -> None:
        self.vae = vae.eval()
        self._known: dict[tuple[int, ...], Tensor] = {}

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Posteriors:
        """Of clips [B, 3, F, H, W]."""
        parts = []
        for some in pixels.split(ENCODED_AT_ONCE):
            posterior = self.vae.encode(some.to(self.vae.device)).latent_dist
            parts.append(torch.stack((posterior.mean, posterior.std), dim=1).cpu())
        return torch.cat(parts)

    def mask(self, ends: tuple[int, int], frames: int, height: int, width: int) -> Posteriors:
        """[1, 2, C, F, h, w] of the video of a mask: 0 where frames are given."""
        key = (*ends, frames, height, width)
        if key not in self._known:
            video = torch.ones(1, 3, frames, height, width)
            video[:, :, : ends[0]] = 0.0
            video[:, :, frames - ends[1] :] = 0.0
            self._known[key] = self.encode(video)
        return self._known[key]

    def masked(self, clips: Tensor, ends: tuple[int, int]) -> Posteriors:
        """[B, 2, C, F, h, w] of clips [B, 3, F, H, W] that are black between their ends; only outer slices are new."""
        frames, height, width = clips.shape[2:]
        black = self._black(height, width, single=frames == 1)
        slices = [black.expand(len(clips), -1, -1, -1, -1, -1)] * max(1, frames // FRAMES_PER_SLICE)
        first, last = ends
        if first:
            part = torch.full_like(clips[:, :, :FRAMES_PER_SLICE], -1.0)
            part[:, :, :first] = clips[:, :, :first]
            if last and len(slices) == 1:
                part[:, :, -last:] = clips[:, :, -last:]
            slices[0] = self.encode(part)
        if last and len(slices) > 1:
            part = torch.full_like(clips[:, :, -FRAMES_PER_SLICE:], -1.0)
            part[:, :, -last:] = clips[:, :, -last:]
            slices[-1] = self.encode(part)
        return torch.cat(slices, dim=3)

    def _black(self, height: int, width: int, *, single: bool) -> Posteriors:
        key = (-1, int(single), height, width)
        if key not in self._known:
            self._known[key] = self.encode(torch.full((1, 3, 1 if single else FRAMES_PER_SLICE, height, width), -1.0))
        return self._known[key]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Clips that can be used in many batches. `numbers`: clips, masked [B, 2, C, F, h, w] and pictures [B, 3, S, S] in
    float16, `ends` [B, 2]: how many frames of the masked video are given.
    `size` is (frames, height, width) in pixels. `say(i, random)` is a caption of the i-th."""

    numbers: dict[str, Tensor]
    size: tuple[int, int, int]
    say: Callable[[int, Random], str]

    def __len__(self) -> int:
        return len(self.numbers["clips"])


class LatentSource:
    """Clips of a source, encoded anew for each batch, or remembered in a file."""

    def __init__(
        self, source: Source, reader: VaeReader, masks: MaskSettings, prepare: Callable[[Tensor], Tensor]
    ) -> None:
        """`prepare` makes the image encoder's input [B, 3, S, S] of frames [B, 3, H, W] in [-1, 1]."""
        self.source, self.reader, self.masks, self.prepare = source, reader, masks, prepare
        self._remembered: dict[str, Encoded] = {}

    def batch(self, kind: BatchSettings, random: Random) -> LatentClips:
        """A batch of this kind: what is given of each clip is drawn anew."""
        clips = self._remembered.get(_name(kind))
        if clips is None:
            clips = self.encode(kind, random)
        chosen = random.sample(range(len(clips)), min(kind.batch_size, len(clips)))
        numbers = {name: value[chosen] for name, value in clips.numbers.items()}
        share = self.masks.nothing / (self.masks.nothing + self.masks.start + self.masks.ends)
        is_given = [bool(numbers["ends"].any()) and random.random() >= share for _ in chosen]
        return self._assemble(numbers, clips.size, is_given, tuple(clips.say(i, random) for i in chosen))

    def remember(self, kinds: tuple[BatchSettings, ...], folder: Path, seed: int, process: int) -> None:
        """Make and encode what the kinds say, or read what was encoded from `folder`."""
        for kind in kinds:
            count = kind.remembered
            if not count or _name(kind) in self._remembered:
                continue
            if not isinstance(self.source, DrawnClips):
                raise TrainingError(
                    "remembered works with the procedural set; files have buckets, so leave it out for them"
                )
            with writing("encoded clips", folder):
                folder.mkdir(parents=True, exist_ok=True)
            many = kind.model_copy(update={"batch_size": MADE_AT_ONCE})
            parts = []
            for i in tqdm(range(0, count, MADE_AT_ONCE), desc=f"encoding {_name(kind)}", disable=process > 0):
                file = folder / f"{_name(kind)}-{process}-{i:06d}.safetensors"
                parts.append(self._encode_or_read(many, file, random_at("remembered", seed, process, i, _name(kind))))
            self._remembered[_name(kind)] = _joined(parts)

    def encode(self, kind: BatchSettings, random: Random) -> Encoded:
        """A batch of this kind, encoded."""
        clips = self.source.clips(kind, random)
        return Encoded(self._encode(clips.pixels, random), _size(clips.pixels), clips.say)

    def _encode_or_read(self, kind: BatchSettings, file: Path, random: Random) -> Encoded:
        clips = self.source.clips(kind, random)
        if not file.exists():
            encoded, unfinished = self._encode(clips.pixels, random), file.with_suffix(".unfinished")
            with writing("encoded clips", file.parent):
                save_file(encoded, unfinished)
                unfinished.rename(file)
        return Encoded(load_file(file), (kind.frames, kind.height, kind.width), clips.say)

    def _encode(self, pixels: Tensor, random: Random) -> dict[str, Tensor]:
        frames = pixels.shape[2]
        both = self.masks.ends / max(self.masks.start + self.masks.ends, 1e-9)
        ends = [self._ends(frames, random, both) for _ in pixels]
        masked = torch.cat([self.reader.masked(clip[None], end) for clip, end in zip(pixels, ends, strict=True)])
        made = {"clips": self.reader.encode(pixels), "masked": masked, "pictures": self.prepare(pixels[:, :, 0])}
        return {name: value.half() for name, value in made.items()} | {"ends": torch.tensor(ends)}

    def _ends(self, frames: int, random: Random, both: float) -> tuple[int, int]:
        if frames == 1:
            return 0, 0
        return random_ends(frames, random, after=random.random() < both, single=self.masks.single)

    def _assemble(
        self,
        numbers: dict[str, Tensor],
        size: tuple[int, int, int],
        is_given: list[bool],
        captions: tuple[str, ...],
    ) -> LatentClips:
        nothing = self.reader.masked(torch.empty(1, 3, *size), (0, 0))
        ends = [
            tuple(pair) if given else (0, 0) for pair, given in zip(numbers["ends"].tolist(), is_given, strict=True)
        ]
        given = torch.tensor(is_given)
        return LatentClips(
            clips=numbers["clips"].float(),
            masks=torch.cat([self.reader.mask((first, last), *size) for first, last in ends]),
            masked=torch.where(given[:, None, None, None, None, None], numbers["masked"].float(), nothing),
            pictures=numbers["pictures"].float(),
            has_start=given,
            captions=captions,
        )


def _joined(parts: list[Encoded]) -> Encoded:
    numbers = {name: torch.cat([part.numbers[name] for part in parts]) for name in parts[0].numbers}
    size = len(parts[0])
    return Encoded(numbers, parts[0].size, lambda i, random: parts[i // size].say(i % size, random))


def _size(pixels: Tensor) -> tuple[int, int, int]:
    frames, height, width = pixels.shape[2:]
    return frames, height, width


def _name(kind: BatchSettings) -> str:
    return f"{kind.frames}x{kind.height}x{kind.width}"
