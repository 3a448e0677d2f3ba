"""Live bytes of activations in each phase of a clip, beside the estimates of `easyanimate.memory`.

    python -m easyanimate.rehearsal.activations FOLDER [SIDE]

loads the model in bfloat16 on the CPU, makes one clip, and prints the rows as JSON.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from easyanimate.memory import Activations, activations
from easyanimate.memory.live_bytes import LiveBytes
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation
from easyanimate.rehearsal.report import ActivationRow

SIDE, NUM_FRAMES, STEPS = 256, 8, 2


def measure(pipe: EasyAnimatePipeline, side: int) -> list[ActivationRow]:
    """The phases of a guided clip from a start image in profile "normal"."""
    estimated = activations("normal", side, side, NUM_FRAMES)
    live = dict(_phases(pipe, side))
    return [ActivationRow(phase, live[phase], round(value)) for phase, value in _named(estimated)]


def _named(estimated: Activations) -> Iterator[tuple[str, float]]:
    yield "encoding", estimated.encoding
    yield "denoising", estimated.denoising
    yield "decoding", estimated.decoding


@torch.no_grad()
def _phases(pipe: EasyAnimatePipeline, side: int) -> Iterator[tuple[str, int]]:
    generation = Generation(
        prompt="a red ball rolls across a meadow",
        image=Image.new("RGB", (side, side), "red"),
        height=side,
        width=side,
        num_frames=NUM_FRAMES,
        num_inference_steps=STEPS,
    )
    draws = Draws.from_seed(7)
    noise = draws.normal(generation.latent_shape(pipe.vae.config["latent_channels"]), "initial_noise")
    text = pipe.encode_text(generation)
    with LiveBytes() as live:
        conditions = pipe.encode(generation, text, draws)
    yield "encoding", live.peak
    with LiveBytes() as live:
        latents = pipe.denoise(noise, conditions, generation, draws)
    yield "denoising", live.peak
    with LiveBytes() as live:
        for _ in pipe.decode_frames(latents, draws):
            pass
    yield "decoding", live.peak


def main(folder: Path, side: int = SIDE) -> dict[str, Any]:
    """The rows, the seconds of loading, and resident memory of this process in bytes."""
    started = time.monotonic()
    pipe = EasyAnimatePipeline.from_pretrained(folder, torch_dtype=torch.bfloat16)
    loaded_s = time.monotonic() - started
    loaded_bytes = _peak_resident_bytes()
    rows = [asdict(row) for row in measure(pipe, side)]
    return {"load_s": loaded_s, "load_peak_bytes": loaded_bytes, "peak_bytes": _peak_resident_bytes(), "rows": rows}


def _peak_resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))) + "\n")
