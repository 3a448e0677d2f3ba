"""The published transformer on the meta device: its shapes, its inputs, and attention that allocates like flash."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from easyanimate.transformer import EasyAnimateTransformer3DModel, attention
from easyanimate.transformer.inference import long_skips
from easyanimate.weights.checkpoint import build_empty

CONFIG = Path(__file__).parents[2] / "tests" / "golden" / "transformer" / "production_config.json"
WIDTH = 1152  # values of a token
TEXT_TOKENS, TEXT_WIDTH, IMAGE_TOKENS, IMAGE_WIDTH = 120, 4096, 8, 768


@dataclass(frozen=True)
class Clip:
    """A clip of `height` x `width` pixels."""

    height: int
    width: int
    num_frames: int

    @property
    def token_bytes(self) -> int:
        """Bytes of one tensor with all tokens of a row, in 16 bits."""
        return 2 * WIDTH * (self.num_frames // 4) * (self.height // 16) * (self.width // 16)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.num_frames}"


CLIPS = (Clip(384, 672, 72), Clip(384, 672, 144), Clip(576, 1008, 144), Clip(960, 960, 144))


def published_model() -> EasyAnimateTransformer3DModel:
    """The published model in bfloat16, without memory for its weights."""
    settings = {name: value for name, value in json.loads(CONFIG.read_text()).items() if not name.startswith("_")}
    config = EasyAnimateTransformer3DModel.adapt_config(settings)
    model: EasyAnimateTransformer3DModel = build_empty(lambda: EasyAnimateTransformer3DModel(**config))
    model.to(torch.bfloat16)
    model.eval()
    return model


def inputs_of(clip: Clip, rows: int = 1) -> dict[str, Tensor]:
    """The arguments of a call for `clip`, with text and an image."""
    grid = (clip.num_frames // 4, clip.height // 8, clip.width // 8)
    shapes: dict[str, tuple[int, ...]] = {
        "hidden_states": (rows, 4, *grid),
        "inpaint_latents": (rows, 8, *grid),
        "encoder_hidden_states": (rows, TEXT_TOKENS, TEXT_WIDTH),
        "clip_encoder_hidden_states": (rows, IMAGE_WIDTH),
        "clip_attention_mask": (rows, IMAGE_TOKENS),
    }
    tensors = {name: torch.empty(shape, dtype=torch.bfloat16, device="meta") for name, shape in shapes.items()}
    return {**tensors, "timestep": torch.empty(1, device="meta").expand(rows)}


@custom_op("benchmarks::flash_attention", mutates_args=())
def flash_attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention [B, heads, N, d] that holds no matrix of scores: the result, and a float32 number for each query."""
    raise NotImplementedError("flash_attention counts on the meta device only")


@flash_attention.register_fake
def _(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    return torch.empty_like(queries), queries.new_empty(queries.shape[:3], dtype=torch.float32)


@contextmanager
def flash_kernel() -> Iterator[None]:
    """Inside, the transformer uses `flash_attention`; the meta device would hold the whole matrix of scores."""
    module: Any = attention
    before = module.attention
    module.attention = lambda q, k, v, bias=None: flash_attention(q, k, v, bias)[0]
    try:
        yield
    finally:
        module.attention = before


@contextmanager
def uncounted_host() -> Iterator[None]:
    """Inside, copies on the host have no bytes; the meta device has neither memory nor a host."""
    module: Any = long_skips
    before = module.to_host, module.from_host
    module.to_host, module.from_host = (lambda result: result[:0].clone()), (lambda kept, like: torch.empty_like(like))
    try:
        yield
    finally:
        module.to_host, module.from_host = before
