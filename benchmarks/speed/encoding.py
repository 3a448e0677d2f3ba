"""The encoding of a rehearsal's clip at the published size in bfloat16: T5, and the VAE on the condition.

All layers of T5 but the first share their weights, so it has the operations of the published size without its memory.
"""

from typing import Any

import torch
from torch import nn
from transformers import T5Config, T5EncoderModel

from benchmarks.gpu.networks import random_network
from benchmarks.speed.goal import Goal, at_most
from benchmarks.speed.paired import cpu_seconds
from easyanimate.half_on_cpu import has_fast_half_products, widen_products
from easyanimate.pipeline import ClipPipeline, Draws, Generation
from easyanimate.pipeline.encoder_cache import EncoderCache
from easyanimate.pipeline.loading import load_tokenizer
from easyanimate.pipeline.schedulers.schedulers import make_scheduler
from easyanimate.rehearsal.settings import PUBLISHED, ModelSize
from easyanimate.tiny.shipped import SHIPPED
from easyanimate.vae import AutoencoderKLSlice

GOAL = 0.5
SIDE, FRAMES = 256, 8
PROMPTS = ("a large red circle moving to the right", "a small blue square that does not move")


class EmptyTransformer(nn.Module):
    """The settings of the transformer that the encoding of a clip reads."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.config = {"clip_embed_dim": 768, "num_clip_tokens": 8}
        self.dtype, self.device = dtype, torch.device("cpu")


def published_encoders(size: ModelSize = PUBLISHED, dtype: torch.dtype = torch.bfloat16) -> ClipPipeline:
    """A pipeline that encodes and does not denoise."""
    cpu = torch.device("cpu")
    text = T5Config.from_dict({**size.text, "num_layers": 2})
    encoder: Any = random_network(lambda: T5EncoderModel(text), dtype, cpu)
    first, other = encoder.encoder.block
    encoder.encoder.block = nn.ModuleList([first, *[other] * (size.text["num_layers"] - 1)])
    settings = {name: value for name, value in size.vae.items() if not name.startswith("_")}
    vae = random_network(lambda: AutoencoderKLSlice.from_config(settings), dtype, cpu)
    if not has_fast_half_products():
        widen_products(encoder)
        widen_products(vae)
    return ClipPipeline(
        {
            "tokenizer": load_tokenizer(SHIPPED / "tokenizer"),
            "text_encoder": encoder,
            "image_encoder": nn.Identity(),
            "image_processor": None,
            "vae": vae,
            "transformer": EmptyTransformer(dtype),
            "scheduler": make_scheduler("euler"),
        }
    )


def encode(pipe: Any, prompt: str, side: int) -> None:
    """What a request encodes before its first step."""
    request = Generation(prompt=prompt, height=side, width=side, num_frames=FRAMES)
    pipe.encode(request, pipe.encode_text(request), Draws.from_seed(0))


@torch.no_grad()
def naive_encode(pipe: Any, prompt: str, side: int) -> None:
    """The prompts, and three whole videos."""
    request = Generation(prompt=prompt, height=side, width=side, num_frames=FRAMES)
    pipe.encode_prompt(request.prompts)
    video = torch.zeros(1, 3, FRAMES, side, side, dtype=pipe.vae.dtype)
    for each in (video, video + 1, video - 1):
        pipe.vae.encode(each).latent_dist.mode()


def measure(rounds: int, size: ModelSize = PUBLISHED, side: int = SIDE) -> list[Goal]:
    """CPU seconds of three requests in a row, one thread; `rounds` has no effect, as only the first one is new."""
    torch.set_num_threads(1)
    pipe = published_encoders(size)
    naive = cpu_seconds(lambda: naive_encode(pipe, PROMPTS[0], side))
    encoders = {"text_encoder": pipe.text_encoder, "image_encoder": pipe.image_encoder, "vae": pipe.vae}
    pipe.encoder_cache = EncoderCache(encoders)
    requests = {"first request": PROMPTS[0], "another prompt, the same size": PROMPTS[1], "repeated prompt": PROMPTS[1]}
    lines = []
    for name, prompt in requests.items():
        seconds = cpu_seconds(lambda prompt=prompt: encode(pipe, prompt, side))
        what = f"CPU time of encoding a clip of {FRAMES} frames of {side}x{side}, of the first release's: {name}"
        lines.append(at_most(what, seconds / naive, GOAL, more=f"{seconds:.1f} of {naive:.1f} s"))
    return lines
