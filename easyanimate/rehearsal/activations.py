"""Measures the live bytes of activations in each phase of a clip, for comparison with `easyanimate.memory`.

    python -m easyanimate.rehearsal.activations FOLDER [SIDE]

renders one clip and prints the rows as JSON. It computes in float32 and halves the bytes. On a CPU, products in 16 bits
create float32 copies that do not exist on a GPU. The text encoder is not loaded; its output is random.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from easyanimate.encoders import load_clip
from easyanimate.memory import activations
from easyanimate.memory.live_bytes import LiveBytes
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation
from easyanimate.pipeline.inputs.prompts import MAX_TOKENS, TextContext
from easyanimate.pipeline.loading import load_image_processor
from easyanimate.rehearsal.report import ActivationRow
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.vae import AutoencoderKLSlice

SIDE, NUM_FRAMES, STEPS = 256, 8, 2


def measure_activations(folder: Path, side: int = SIDE) -> list[ActivationRow]:
    """Measures the phases of a guided clip with a start image, in profile "normal" and `side` x `side` pixels."""
    estimated = asdict(activations("normal", side, side, NUM_FRAMES))
    live = _phases(_load(folder), side)
    return [ActivationRow(phase, live_bytes // 2, round(estimated[phase])) for phase, live_bytes in live]


def _load(folder: Path) -> EasyAnimatePipeline:
    """All models except the text encoder, in float32."""
    parts: dict[str, Any] = {"tokenizer": None, "text_encoder": None, "scheduler": None}
    return EasyAnimatePipeline(
        **parts,
        image_encoder=load_clip(folder / "image_encoder", torch.float32),
        image_processor=load_image_processor(folder / "image_encoder"),
        vae=AutoencoderKLSlice.from_pretrained(folder, subfolder="vae"),
        transformer=EasyAnimateTransformer3DModel.from_pretrained(folder, subfolder="transformer"),
    )


@torch.no_grad()
def _phases(pipe: EasyAnimatePipeline, side: int) -> Iterator[tuple[str, int]]:
    generation = Generation(
        prompt="",
        image=Image.new("RGB", (side, side), "red"),
        height=side,
        width=side,
        num_frames=NUM_FRAMES,
        num_inference_steps=STEPS,
    )
    draws = Draws.from_seed(7)
    noise = draws.normal(generation.latent_shape(pipe.vae.config["latent_channels"]), "initial_noise")
    width = pipe.transformer.config["caption_channels"]
    text = TextContext(draws.normal((2, MAX_TOKENS, width), "text"), torch.ones(2, MAX_TOKENS))
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


if __name__ == "__main__":
    rows = measure_activations(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
    sys.stdout.write(json.dumps({"rows": [asdict(row) for row in rows]}) + "\n")
