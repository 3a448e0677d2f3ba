"""The encoding of a rehearsal's clip at the published size in bfloat16: T5, and the VAE on the condition.

All layers of T5 but the first share their weights, so it has the operations of the published size without its memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import T5Config, T5EncoderModel

from benchmarks.gpu.networks import random_network
from benchmarks.speed.goal import Goal, at_most
from benchmarks.speed.mid_size import first_release_layers
from benchmarks.speed.paired import cpu_seconds
from easyanimate.half_on_cpu import has_fast_half_products, widen_products
from easyanimate.pipeline import ClipPipeline, Draws, Generation
from easyanimate.pipeline.encoder_cache import EncoderCache
from easyanimate.pipeline.loading import load_tokenizer
from easyanimate.pipeline.schedulers.schedulers import make_scheduler
from easyanimate.rehearsal.settings import PUBLISHED, SMALL, ModelSize
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
    request = _request(prompt, side)
    pipe.encode(request, pipe.encode_text(request), Draws.from_seed(0))


@torch.no_grad()
def naive_encode(pipe: Any, prompt: str, side: int) -> None:
    """The prompts, and three whole videos."""
    pipe.encode_prompt(_request(prompt, side).prompts)
    video = torch.zeros(1, 3, FRAMES, side, side, dtype=pipe.vae.dtype)
    for each in (video, video + 1, video - 1):
        pipe.vae.encode(each).latent_dist.mode()


def _request(prompt: str, side: int) -> Generation:
    return Generation(prompt=prompt, height=side, width=side, num_frames=FRAMES)


@dataclass(frozen=True)
class Work:
    """Calls of T5 with both rows, and encoded slices."""

    texts: int
    slices: int

    def seconds(self, text_s: float, slice_s: float) -> float:
        """Seconds of the work if a text takes `text_s` and a slice `slice_s`."""
        return self.texts * text_s + self.slices * slice_s


def count_work(side: int = 32) -> dict[str, Work]:
    """The calls of the first release and of three requests in a row, counted with a small model."""
    pipe = published_encoders(SMALL, torch.float32)
    works = {"first release": _calls(pipe, lambda: naive_encode(pipe, PROMPTS[0], side))}
    encoders = {"text_encoder": pipe.text_encoder, "image_encoder": pipe.image_encoder, "vae": pipe.vae}
    pipe.encoder_cache = EncoderCache(encoders)
    requests = {"first request": PROMPTS[0], "another prompt, the same size": PROMPTS[1], "repeated prompt": PROMPTS[1]}
    for name, prompt in requests.items():
        works[name] = _calls(pipe, lambda prompt=prompt: encode(pipe, prompt, side))
    return works


def _calls(pipe: Any, call: Callable[[], None]) -> Work:
    calls: list[str] = []
    hooks = [
        pipe.text_encoder.register_forward_hook(lambda *_: calls.append("text")),
        pipe.vae.encoder.register_forward_hook(lambda *_: calls.append("slice")),
    ]
    call()
    for hook in hooks:
        hook.remove()
    return Work(calls.count("text"), calls.count("slice"))


@torch.no_grad()
def measure(rounds: int, size: ModelSize = PUBLISHED, side: int = SIDE) -> list[Goal]:
    """CPU seconds of one call of each encoder at the published size, times the counted calls."""
    torch.set_num_threads(1)
    naive, *works = count_work().items()
    pipe = published_encoders(size)
    prompts, frames = _request(PROMPTS[0], side).prompts, torch.zeros(1, 3, FRAMES, side, side, dtype=torch.bfloat16)
    text_s = min(cpu_seconds(lambda: pipe.encode_prompt(prompts)) for _ in range(rounds))
    slice_s = min(cpu_seconds(lambda: pipe.vae.encode_slice(frames)) for _ in range(rounds))
    with first_release_layers():
        plain_s = min(cpu_seconds(lambda: pipe.vae.encode_slice(frames)) for _ in range(rounds))
    return [_goal(name, work, naive[1], (text_s, slice_s, plain_s), side) for name, work in works]


def _goal(name: str, work: Work, naive: Work, seconds: tuple[float, float, float], side: int) -> Goal:
    text_s, slice_s, plain_s = seconds
    own_s, naive_s = work.seconds(text_s, slice_s), naive.seconds(text_s, plain_s)
    what = f"CPU time of encoding a clip of {FRAMES} frames of {side}x{side}, of the first release's: {name}"
    calls = f"T5 {work.texts} of {naive.texts} times {text_s:.1f} s"
    slices = f"slices {work.slices} times {slice_s:.1f} of {naive.slices} times {plain_s:.1f} s"
    return at_most(what, own_s / naive_s, GOAL, more=f"{calls}, {slices}")
