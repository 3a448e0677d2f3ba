"""Chains of windows: each continues from the last frames of the one before, in one of several ways.

Chains of several scenes and ways are *lanes* of one batch. A lane of extensions stores each window as MP4 and reads it
again.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmarks.drift.corrections import held, with_colours_of, without_error
from benchmarks.drift.lanes import LaneNetworks
from benchmarks.drift.ways import Way
from easyanimate.files.video_writer import Mp4Writer
from easyanimate.media.video.reader import open_reader
from easyanimate.pipeline import ClipStages, Draws, Generation
from easyanimate.pipeline.windows.still_scene import StillScene, picture_of

FPS = Fraction(8)
WHITE = 255.0


@dataclass(frozen=True)
class Lane:
    """One chain: a prompt, continued in one way; with `is_stored` from frames that were written to an MP4."""

    prompt: str
    way: Way
    is_stored: bool = False


@dataclass(frozen=True)
class LaneState:
    """What flows into the next window of a lane. Frames [n, H, W, 3] are levels of 255 as floats.

    `tail` are the frames that are handed over, `anchor` those of the first window or its picture, and `latents` its
    last ones.
    """

    generator: Tensor
    tail: Tensor | None = None
    anchor: Tensor | None = None
    latents: Tensor | None = None


class Lanes:
    """The windows of several lanes with the settings of `request`."""

    def __init__(self, pipe: ClipStages, request: Generation, lanes: Sequence[Lane]) -> None:
        self.request, self.lanes, self.networks = request, lanes, LaneNetworks(pipe, request)
        self._texts = [pipe.encode_prompt(["", lane.prompt]) for lane in lanes]

    def start(self, seed: int) -> list[LaneState]:
        """The state before the first window."""
        return [LaneState(Draws.from_seed(seed).generator.get_state()) for _ in self.lanes]

    @torch.inference_mode()
    def windows(self, states: Sequence[LaneState]) -> tuple[list[Tensor], list[LaneState]]:
        """For each lane the new frames of its next window [F, H, W, 3], uint8, and the state after it."""
        draws = [_draws(state) for state in states]
        known = [known_frames(lane.way, state) for lane, state in zip(self.lanes, states, strict=True)]
        latents = self._latents(draws, known, states)
        samples = [lane.way.samples for lane in self.lanes]
        decoded = self.networks.decode(latents, draws, samples) * WHITE
        shown, after = [], []
        for i, (lane, state) in enumerate(zip(self.lanes, states, strict=True)):
            frames, following = finish(lane, state, known[i], decoded[i])
            shown.append(frames)
            last = latents[i : i + 1, :, -1:] if lane.way.reuses_latents else None
            after.append(LaneState(draws[i].generator.get_state(), *following, last))
        return shown, after

    def _latents(self, draws: Sequence[Draws], known: Sequence[Tensor | None], states: Sequence[LaneState]) -> Tensor:
        """The latents of all windows."""
        ways = [lane.way for lane in self.lanes]
        samples, scales = [way.samples for way in ways], [way.guidance for way in ways]
        noise, images = self.networks.noise(draws), self.networks.images([_image(frames) for frames in known])
        counts = [0 if frames is None else len(frames) for frames in known]
        masks = self.networks.masks(counts, draws, samples)
        videos = self.networks.videos(torch.cat([self._pixels(frames) for frames in known]), draws, samples)
        for i, state in enumerate(states):
            if state.latents is not None:
                videos[i, :, :1] = state.latents[0]
        latents = self.networks.denoise(noise, self._texts, images, torch.cat([masks, videos], dim=1), scales)
        for i, (way, frames) in enumerate(zip(ways, known, strict=True)):
            if frames is not None and not way.denoises:
                latents[i] = self._passed_through(frames, draws[i])
        return latents

    def _pixels(self, frames: Tensor | None) -> Tensor:
        """[1, 3, F, H, W] in [-1, 1]; frames that are not known are black."""
        pixels = torch.full((1, 3, self.request.num_frames, self.request.height, self.request.width), -1.0)
        if frames is not None:
            pixels[0, :, : len(frames)] = frames.permute(3, 0, 1, 2) / WHITE * 2 - 1
        return pixels

    def _passed_through(self, frames: Tensor, draws: Draws) -> Tensor:
        """The latents [4, f, h, w] of a clip that repeats the known frames."""
        repeated = frames.repeat(-(-self.request.num_frames // len(frames)), 1, 1, 1)[: self.request.num_frames]
        return self.networks.videos(self._pixels(repeated), [draws], [True])[0]


def known_frames(way: Way, state: LaneState) -> Tensor | None:
    """The frames that a window continues from, as the model reads them."""
    tail = state.anchor if way.restarts and state.anchor is not None else state.tail
    if tail is None or state.anchor is None or not way.needs_anchor:
        return tail
    if way.matches_colours:
        tail = with_colours_of(tail, tail.mean(0), state.anchor.mean(0)).round().clamp(0, WHITE)
    if way.holds_pixels:
        tail = held(tail, state.anchor).round()
    if way.keeps_scene:
        return _still(state.anchor).context_frames(tail.to(torch.uint8)).float()  # type: ignore[union-attr]
    return tail


def finish(
    lane: Lane, state: LaneState, known: Tensor | None, frames: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor | None]]:
    """The new frames of a window, uint8, and the tail and the anchor for the next one."""
    way = lane.way
    if way.rounds:
        frames = frames.round()
    if known is not None and way.matches_colours:
        frames = with_colours_of(frames, frames[: len(known)], known)
    if known is not None and way.subtracts_error:
        frames = without_error(frames, known)
    if known is not None and way.keeps_scene:
        frames = _still(state.anchor).window(frames.to(torch.uint8), len(known)).float()
    if state.tail is not None:
        frames = faded(state.tail, frames)
    frames = frames.clamp(0, WHITE)
    levels = frames.round().to(torch.uint8)
    shown = levels if state.tail is None else levels[len(state.tail) :]
    tail = (levels.float() if way.rounds else frames)[-way.overlap :].clone()
    written = _stored(shown) if lane.is_stored else shown.float()
    if lane.is_stored:
        tail = written[-way.overlap :]
    anchor = state.anchor
    if anchor is None and way.needs_anchor:
        anchor = picture_of(written) if way.keeps_scene else tail
    return shown, (tail, anchor)


def faded(tail: Tensor, frames: Tensor) -> Tensor:
    """`frames`, faded in over those of `tail`."""
    weights = torch.arange(len(tail)).view(-1, 1, 1, 1) / len(tail)
    return torch.cat([tail * (1 - weights) + frames[: len(tail)] * weights, frames[len(tail) :]])


def _still(picture: Tensor | None) -> StillScene:
    return StillScene(picture, is_on=True)


def _draws(state: LaneState) -> Draws:
    draws = Draws.from_seed(0)
    draws.generator.set_state(state.generator)
    return draws


def _image(frames: Tensor | None) -> Image.Image | None:
    """The image for CLIP: the oldest known frame."""
    return None if frames is None else Image.fromarray(frames[0].round().to(torch.uint8).numpy())


def _stored(shown: Tensor) -> Tensor:
    """The frames as a player reads them from an MP4."""
    _, height, width, _ = shown.shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "window.mp4"
        with Mp4Writer(path, width=width, height=height, fps=FPS) as writer:
            writer.write(shown)
        with path.open("rb") as file, open_reader(file) as reader:
            frames = list(reader.frames(FPS))
    return torch.stack([torch.from_numpy(frame) for frame in frames]).float()
