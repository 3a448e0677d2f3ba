"""Counts of a text-to-video of 144 frames, of a step of the published transformer, and of the VAE's live bytes."""

from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.counts.__main__ import step_counts
from benchmarks.counts.production import CLIPS, Clip, published_model
from benchmarks.gpu.clips import PROMPT
from benchmarks.gpu.networks import random_pipeline
from benchmarks.gpu.plans import PLANS
from benchmarks.speed.goal import Goal, at_most
from easyanimate.pipeline import Draws, Generation
from easyanimate.pipeline.encoder_cache import EncoderCache
from easyanimate.transformer.inference.products import join_products

FRAMES, SIDE = 144, 32


def measure(rounds: int) -> list[Goal]:
    """All counts; they are the same in each run."""
    return [*encoder_goals(), *step_goals()]


def encoder_goals() -> Iterator[Goal]:
    """Calls of the encoders for two equal requests to a small model."""
    pipe: Any = random_pipeline(PLANS["tiny"], torch.device("cpu"))
    models = {"text_encoder": pipe.text_encoder, "image_encoder": pipe.image_encoder, "vae": pipe.vae}
    pipe.encoder_cache = EncoderCache(models)
    first, second = _calls(pipe), _calls(pipe)
    yield at_most(f"encoded slices of a text-to-video of {FRAMES} frames, with its seams", first["slices"], 19)
    yield at_most("the same, for the next request of that size", second["slices"], 17)
    yield at_most("calls of T5 for a repeated prompt", second["T5"], 0)


def _calls(pipe: Any) -> dict[str, int]:
    calls = {"slices": 0, "T5": 0}

    def counting(name: str) -> Any:
        def count(*_: object) -> None:
            calls[name] += 1

        return count

    hooks = [
        pipe.vae.encoder.register_forward_hook(counting("slices")),
        pipe.text_encoder.register_forward_hook(counting("T5")),
    ]
    request = Generation(prompt=PROMPT, height=SIDE, width=SIDE, num_frames=FRAMES, num_inference_steps=1)
    draws = Draws.from_seed(0)
    latents = pipe.make_latents(request, pipe.encode_text(request), draws)
    for _ in pipe.decode_frames(latents, draws):
        pass
    for hook in hooks:
        hook.remove()
    return calls


def step_goals() -> Iterator[Goal]:
    """One row of a step after the first one, on the meta device in bfloat16."""
    model = published_model()
    join_products(model)
    counts = {str(clip): step_counts(model, clip) for clip in CLIPS}
    ratios = {clip: step.moved_bytes / naive.moved_bytes for clip, (naive, step, _) in counts.items()}
    each = ", ".join(f"{ratio:.3f}" for ratio in ratios.values())
    yield at_most(
        "bytes moved by a step, of the first release's, largest of four clips", max(ratios.values()), 0.60, more=each
    )
    _, step, _ = counts["384x672x144"]
    yield at_most("operations of a step, 384x672x144", step.operations, 1500)
    _, step, lowest = counts["960x960x144"]
    tokens = Clip(960, 960, 144).token_bytes
    yield at_most("live tensors of all tokens, 960x960x144, profile normal", step.peak_bytes // tokens, 24)
    yield at_most("the same, profile lowest", lowest.peak_bytes // tokens, 12)
