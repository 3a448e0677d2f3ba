"""Encoded clips for the training of a transformer: posteriors of the clip, of its known frames and of the mask.

The VAE encodes each slice alone. The known frames are at the ends of a clip, so only its outer slices are encoded
again.
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
from easyanimate.training.data.masks import random_condition_frames
from easyanimate.training.data.sources import DrawnClips, Source
from easyanimate.training.errors import TrainingError
from easyanimate.training.optimization.randomness import random_at
from easyanimate.training.run.configuration import BatchSettings
from easyanimate.training.run.export import write_errors
from easyanimate.training.tasks.transformer_settings import MaskSettings
from easyanimate.vae import AutoencoderKLSlice

ENCODING_BATCH_SIZE = 16
CLIPS_PER_FILE = 64
Posteriors = Tensor  # [B, 2, C, F, h, w]: mean and standard deviation


@dataclass(frozen=True, eq=False)
class LatentClips:
    """A batch: posteriors [B, 2, C, F, h, w] of the clips, of their masks and of their masked videos.

    `images` [B, 3, S, S] are for the image encoder; `has_start` [B] says whether first frames are known.
    """

    clips: Posteriors
    masks: Posteriors
    masked: Posteriors
    images: Tensor
    has_start: Tensor
    captions: tuple[str, ...]


class ClipEncoder:
    """Encodes the three videos that an inpainting model uses: the clip, the mask and the masked clip."""

    def __init__(self, vae: AutoencoderKLSlice) -> None:
        self.vae = vae.eval()
        self._cache: dict[tuple[int, ...], Tensor] = {}

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Posteriors:
        """Posteriors [B, 2, C, F, h, w] of clips [B, 3, F, H, W]."""
        parts = []
        for batch in pixels.split(ENCODING_BATCH_SIZE):
            posterior = self.vae.encode(batch.to(self.vae.device)).latent_dist
            parts.append(torch.stack((posterior.mean, posterior.std), dim=1).cpu())
        return torch.cat(parts)

    def mask(self, ends: tuple[int, int], frames: int, height: int, width: int) -> Posteriors:
        """Posterior [1, 2, C, F, h, w] of a mask video, which is 0 where frames are known."""
        key = (*ends, frames, height, width)
        if key not in self._cache:
            video = torch.ones(1, 3, frames, height, width)
            video[:, :, : ends[0]] = 0.0
            video[:, :, frames - ends[1] :] = 0.0
            self._cache[key] = self.encode(video)
        return self._cache[key]

    def masked(self, clips: Tensor, ends: tuple[int, int]) -> Posteriors:
        """Posteriors [B, 2, C, F, h, w] of clips [B, 3, F, H, W] that are black between their known frames."""
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
        if key not in self._cache:
            self._cache[key] = self.encode(torch.full((1, 3, 1 if single else FRAMES_PER_SLICE, height, width), -1.0))
        return self._cache[key]


@dataclass(frozen=True, eq=False)
class EncodedClips:
    """Encoded clips that can be used in many batches. `size` is (frames, height, width) in pixels.

    `tensors` are the content of a cache file. In float16 they hold clips and masked [B, 2, C, F, h, w] and pictures
    [B, 3, S, S]. `ends` [B, 2] is the number of known frames at the start and at the end of the masked video.
    `caption_of(i, random)` is a caption of clip i.
    """

    tensors: dict[str, Tensor]
    size: tuple[int, int, int]
    caption_of: Callable[[int, Random], str]

    def __len__(self) -> int:
        return len(self.tensors["clips"])


class LatentSource:
    """Clips of a source, encoded for each batch or cached in files."""

    def __init__(
        self, source: Source, encoder: ClipEncoder, masks: MaskSettings, preprocess: Callable[[Tensor], Tensor]
    ) -> None:
        """`preprocess` returns the input of the image encoder [B, 3, S, S] for frames [B, 3, H, W] in [-1, 1]."""
        self.source, self.encoder, self.masks, self.preprocess = source, encoder, masks, preprocess
        self._cached: dict[str, EncodedClips] = {}

    def batch(self, kind: BatchSettings, random: Random) -> LatentClips:
        """A batch of this kind, with known frames drawn for this batch."""
        clips = self._cached.get(_name(kind))
        if clips is None:
            clips = self.encode(kind, random)
        chosen = random.sample(range(len(clips)), min(kind.batch_size, len(clips)))
        tensors = {name: value[chosen] for name, value in clips.tensors.items()}
        share = self.masks.nothing / (self.masks.nothing + self.masks.start + self.masks.ends)
        has_start = [bool(tensors["ends"].any()) and random.random() >= share for _ in chosen]
        return self._assemble(tensors, clips.size, has_start, tuple(clips.caption_of(i, random) for i in chosen))

    def cache(self, kinds: tuple[BatchSettings, ...], folder: Path, seed: int, process: int) -> None:
        """Encodes the `remembered` clips of each kind, or reads them from files in `folder`."""
        for kind in kinds:
            count = kind.remembered
            if not count or _name(kind) in self._cached:
                continue
            if not isinstance(self.source, DrawnClips):
                raise TrainingError("remembered works with the procedural set; files have buckets, so remove it")
            with write_errors("encoded clips", folder):
                folder.mkdir(parents=True, exist_ok=True)
            many = kind.model_copy(update={"batch_size": CLIPS_PER_FILE})
            parts = []
            for i in tqdm(range(0, count, CLIPS_PER_FILE), desc=f"encoding {_name(kind)}", disable=process > 0):
                file = folder / f"{_name(kind)}-{process}-{i:06d}.safetensors"
                parts.append(self._encode_or_read(many, file, random_at("remembered", seed, process, i, _name(kind))))
            self._cached[_name(kind)] = _joined(parts)

    def encode(self, kind: BatchSettings, random: Random) -> EncodedClips:
        """Encodes a new batch of this kind."""
        clips = self.source.clips(kind, random)
        return EncodedClips(self._encode(clips.pixels, random), _size(clips.pixels), clips.caption_of)

    def _encode_or_read(self, kind: BatchSettings, file: Path, random: Random) -> EncodedClips:
        clips = self.source.clips(kind, random)
        if not file.exists():
            encoded, unfinished = self._encode(clips.pixels, random), file.with_suffix(".unfinished")
            with write_errors("encoded clips", file.parent):
                save_file(encoded, unfinished)
                unfinished.rename(file)
        return EncodedClips(load_file(file), (kind.frames, kind.height, kind.width), clips.caption_of)

    def _encode(self, pixels: Tensor, random: Random) -> dict[str, Tensor]:
        frames = pixels.shape[2]
        share_of_both = self.masks.ends / max(self.masks.start + self.masks.ends, 1e-9)
        ends = [self._condition_frames(frames, random, share_of_both) for _ in pixels]
        masked = torch.cat([self.encoder.masked(clip[None], end) for clip, end in zip(pixels, ends, strict=True)])
        images = self.preprocess(pixels[:, :, 0])
        tensors = {"clips": self.encoder.encode(pixels), "masked": masked, "pictures": images}
        return {name: value.half() for name, value in tensors.items()} | {"ends": torch.tensor(ends)}

    def _condition_frames(self, frames: int, random: Random, share_of_both: float) -> tuple[int, int]:
        if frames == 1:
            return 0, 0
        return random_condition_frames(frames, random, at_end=random.random() < share_of_both, single=self.masks.single)

    def _assemble(
        self,
        tensors: dict[str, Tensor],
        size: tuple[int, int, int],
        has_start: list[bool],
        captions: tuple[str, ...],
    ) -> LatentClips:
        nothing = self.encoder.masked(torch.empty(1, 3, *size), (0, 0))
        ends = [
            tuple(pair) if is_used else (0, 0)
            for pair, is_used in zip(tensors["ends"].tolist(), has_start, strict=True)
        ]
        is_masked = torch.tensor(has_start)
        return LatentClips(
            clips=tensors["clips"].float(),
            masks=torch.cat([self.encoder.mask((first, last), *size) for first, last in ends]),
            masked=torch.where(is_masked[:, None, None, None, None, None], tensors["masked"].float(), nothing),
            images=tensors["pictures"].float(),
            has_start=is_masked,
            captions=captions,
        )


def _joined(parts: list[EncodedClips]) -> EncodedClips:
    tensors = {name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors}
    size = len(parts[0])
    return EncodedClips(tensors, parts[0].size, lambda i, random: parts[i // size].caption_of(i % size, random))


def _size(pixels: Tensor) -> tuple[int, int, int]:
    frames, height, width = pixels.shape[2:]
    return frames, height, width


def _name(kind: BatchSettings) -> str:
    return f"{kind.frames}x{kind.height}x{kind.width}"
