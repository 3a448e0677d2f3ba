"""Chains of windows: each continues from the last frames of the one before, in one of several ways.

`frames` is that of the service and of EasyAnimateV3; a test compares it with `generate_windows`. The others are
experiments:

- `float` hands over frames that are not rounded to 8 bits.
- `latents` replaces the latents of the known frames by the last ones of the window before.
- `anchored` gives each window the colours of the first one.
- `held` also gives pixels that hardly differ from those of the first window their values again: a still shape keeps its
  edges.

A chain of extensions stores each window as MP4 and reads it again.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from benchmarks.drift.anchoring import Anchoring
from easyanimate.files.video_writer import Mp4Writer
from easyanimate.frame_statistics import frame_statistics
from easyanimate.media.video.reader import open_reader
from easyanimate.pipeline import ClipStages, Draws, Generation
from easyanimate.pipeline.decoding import decode_pieces, to_uint8
from easyanimate.pipeline.inputs.conditioning import InpaintInput
from easyanimate.pipeline.inputs.prompts import TextContext
from easyanimate.pipeline.schedulers.denoise import Conditions
from easyanimate.pipeline.windows.joining import blend

WAYS = ("frames", "float", "latents", "anchored", "held")
ANCHORED_WAYS = ("anchored", "held")
HELD_DIFFERENCE = 64.0  # in levels; pixels that differ by more keep their values
FPS = Fraction(8)


@dataclass(frozen=True)
class ChainState:
    """What flows into the next window. `tail` [n, H, W, 3] is uint8, or of levels that are not rounded."""

    generator: Tensor
    tail: Tensor | None = None
    latents: Tensor | None = None
    anchor: Tensor | None = None


class Chain:
    """One scene, continued in one way; with `is_stored` from frames that were written to an MP4."""

    def __init__(
        self, pipe: ClipStages, request: Generation, way: str, *, overlap: int = 4, is_stored: bool = False
    ) -> None:
        self.pipe, self.request, self.way, self.overlap, self.is_stored = pipe, request, way, overlap, is_stored
        self.text: TextContext = pipe.encode_text(request)

    def start(self, seed: int) -> ChainState:
        """The state before the first window."""
        return ChainState(Draws.from_seed(seed).generator.get_state())

    @torch.inference_mode()
    def window(self, state: ChainState) -> tuple[Tensor, ChainState]:
        """The new frames of a window [F, H, W, 3], uint8, and the state after it."""
        draws = Draws.from_seed(0)
        draws.generator.set_state(state.generator)
        anchoring = Anchoring(state.anchor, is_on=self.way in ANCHORED_WAYS)
        context = anchoring.context_frames(state.tail)
        if self.way == "held" and context is not None and state.anchor is not None:
            context = hold(context, state.anchor)
        latents = self._denoise(draws, context, state)
        pieces = decode_pieces(
            self.pipe.vae, latents, smooth=True, draw_noise=lambda shape: draws.normal(shape, "smoothing")
        )
        levels = pieces if self.way == "float" else (to_uint8(piece) for piece in pieces)
        shown, tail = self._join(anchoring.window(levels, context, self.overlap), state.tail)
        last = latents[:, :, -1:] if self.way == "latents" else None
        return shown, ChainState(draws.generator.get_state(), self._handed_over(shown, tail), last, anchoring.anchor)

    def _denoise(self, draws: Draws, context: Tensor | None, state: ChainState) -> Tensor:
        request, pipe = self.request, self.pipe
        noise = draws.normal(request.latent_shape(pipe.vae.config["latent_channels"]), "initial_noise")
        inpaint = self._inpaint(context)
        image, image_mask = pipe.encode_image(inpaint.image, rows=self.text.embeds.shape[0])
        inpaint_latents = pipe.encode_inpaint_input(inpaint, draws)
        if state.latents is not None:
            inpaint_latents[:, 4:, :1] = state.latents  # after the four channels of the mask
        settings = request.guidance_scale, request.clip_apply_ratio, None
        return pipe.denoise(noise, Conditions(self.text, image, image_mask, inpaint_latents, *settings), request, draws)

    def _inpaint(self, context: Tensor | None) -> InpaintInput:
        count, height, width = self.request.num_frames, self.request.height, self.request.width
        pixels, mask, image = torch.full((3, count, height, width), -1.0), torch.ones(count, height, width), None
        if context is not None:
            share = context.float() / 255 if context.dtype == torch.uint8 else context
            pixels[:, : len(context)] = share.permute(3, 0, 1, 2) * 2 - 1
            mask[: len(context)] = 0
            image = Image.fromarray((context if context.dtype == torch.uint8 else to_uint8(context))[0].numpy())
        return InpaintInput(pixels, mask, image)

    def _join(self, pieces: Iterator[Tensor], tail: Tensor | None) -> tuple[Tensor, Tensor]:
        """The new frames, and the last ones as they are handed over."""
        if self.way == "float":
            frames = torch.cat(list(pieces))
            if tail is not None:
                weights = torch.arange(len(tail)).view(-1, 1, 1, 1) / len(tail)
                frames = torch.cat([tail * (1 - weights) + frames[: len(tail)] * weights, frames[len(tail) :]])
            shown = to_uint8(frames)
        else:
            frames = torch.cat(list(pieces))
            frames = shown = frames if tail is None else blend(tail, frames, 0)
        return shown[0 if tail is None else len(tail) :], frames[-self.overlap :].clone()

    def _handed_over(self, shown: Tensor, tail: Tensor) -> Tensor:
        if not self.is_stored:
            return tail
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "window.mp4"
            with Mp4Writer(path, width=self.request.width, height=self.request.height, fps=FPS) as writer:
                writer.write(shown)
            with path.open("rb") as file, open_reader(file) as reader:
                frames = list(reader.frames(FPS))
        return torch.stack([torch.from_numpy(frame) for frame in frames[-self.overlap :]])


def hold(frames: Tensor, anchor: Tensor) -> Tensor:
    """`frames` with the values of `anchor` where both are equal, and less of them the more they differ; all uint8."""
    difference = (frames.float().mean(0) - anchor.float().mean(0)).abs().amax(dim=-1, keepdim=True)
    share = (1 - difference / HELD_DIFFERENCE).clamp(min=0)
    return (frames * (1 - share) + anchor * share).round().to(torch.uint8)


def measure(frames: Tensor) -> dict[str, Any]:
    """The statistics of one window, as they are recorded."""
    return asdict(frame_statistics(frames.numpy()))
