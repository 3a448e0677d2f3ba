"""The cost of sliced decoding, sequential guidance and threads, on the CPU with the small model."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging

from benchmarks.side_by_side import ROUNDS, Row, best_seconds, row
from easyanimate import AutoencoderKLSlice, EasyAnimatePipeline
from easyanimate.memory.live_bytes import LiveBytes, peak_live_bytes
from easyanimate.tiny import copy_tiny_model
from easyanimate.tiny.models import make_vae

SIDE = 128  # pixels
SHORT, LONG = 24, 72  # frames


def rows() -> list[Row]:
    """Rows for the VAE and for the pipeline."""
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    torch.manual_seed(0)
    with torch.inference_mode():
        vae = make_vae().eval()
        return [*_slices(vae), *_threads(vae), *_guidance()]


def _latents(frames: int) -> torch.Tensor:
    return torch.randn(1, 4, frames // 4, SIDE // 8, SIDE // 8)


def _stream(vae: AutoencoderKLSlice, latents: torch.Tensor) -> None:
    """Decodes slices and drops each one, as the encoder of a video file does."""
    for _ in vae.decode_slices(latents):
        pass


def _slices(vae: AutoencoderKLSlice) -> list[Row]:
    """Decodes in one causal pass over the whole clip (V2) and in slices (V3), with layers of the same size."""
    whole = AutoencoderKLSlice.from_config({**vae.config, "slice_compression_vae": False}).eval()
    short, long = _latents(SHORT), _latents(LONG)
    names = ("whole clip", "in slices")
    seconds = best_seconds(lambda: whole.decode(long), lambda: _stream(vae, long))
    peaks = _peak_mb(lambda: whole.decode(long)), _peak_mb(lambda: _stream(vae, long))
    growth = _peak_mb(lambda: _stream(vae, short)), peaks[1]
    lengths = (f"{SHORT} frames", f"{LONG} frames")
    control = best_seconds(lambda: _stream(vae, long), lambda: _stream(vae, long))
    return [
        row(f"control: decode {LONG} frames twice, time", ("in slices", "the same"), (control[0], control[1]), "s"),
        row(f"decode {LONG} frames, live bytes", names, peaks, "MB"),
        row(f"decode {LONG} frames, time", names, (seconds[0], seconds[1]), "s"),
        row("decode in slices, live bytes", lengths, growth, "MB"),
    ]


def _threads(vae: AutoencoderKLSlice) -> list[Row]:
    latents = _latents(LONG)
    many = torch.get_num_threads()

    def with_threads(count: int) -> None:
        torch.set_num_threads(count)
        _stream(vae, latents)

    try:
        single, multiple = best_seconds(lambda: with_threads(1), lambda: with_threads(many))
    finally:
        torch.set_num_threads(many)
    names = ("1 thread", f"{many} threads")
    return [row(f"decode {LONG} frames, time", names, (single, multiple), "s")]


def _guidance() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        pipe = EasyAnimatePipeline.from_pretrained(copy_tiny_model(Path(folder) / "easyanimate-v3-tiny"))

    def run(sequential: bool, on_phase: Callable[[str], None] = lambda phase: None) -> None:
        pipe.sequential_guidance = sequential
        options = {"generator": 0, "output_type": "latent", "callback_on_phase": on_phase}
        pipe("a red ball", height=128, width=128, num_frames=48, num_inference_steps=2, **options)

    def denoising_s(sequential: bool) -> float:
        entered: list[float] = []
        run(sequential, lambda _: entered.append(time.perf_counter()))
        return time.perf_counter() - entered[-1]

    def denoising_mb(sequential: bool) -> float:
        with LiveBytes() as counter:
            run(sequential, lambda _: counter.reset_peak())
        return counter.peak / 1e6

    rounds = [(denoising_s(False), denoising_s(True)) for _ in range(ROUNDS + 1)][1:]
    names = ("both rows at once", "row by row")
    seconds = min(first for first, _ in rounds), min(second for _, second in rounds)
    return [
        row("guidance, time of two steps", names, seconds, "s"),
        row("guidance, live bytes of two steps", names, (denoising_mb(False), denoising_mb(True)), "MB"),
    ]


def _peak_mb(call: Callable[[], object]) -> float:
    return peak_live_bytes(call) / 1e6
