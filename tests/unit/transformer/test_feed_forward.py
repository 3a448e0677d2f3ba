"""Feed-forwards in chunks have the same result and need less memory."""

import json
from pathlib import Path

import pytest
import torch

from easyanimate.memory.estimates import LIVE_TENSORS, LIVE_TENSORS_CHUNKED
from easyanimate.transformer import EasyAnimateTransformer3DModel, attention
from easyanimate.transformer.feed_forward import set_feed_forward_chunk_size
from easyanimate.weights.checkpoint import build_empty

CONFIG = Path(__file__).parents[2] / "golden" / "transformer" / "production_config.json"


@pytest.mark.parametrize("chunk_size", [5, 7, 96, 1000])
@torch.no_grad()
def test_chunks_equal_the_whole(trained, inputs, chunk_size):
    model = trained()
    whole = model(**inputs()).sample
    set_feed_forward_chunk_size(model, chunk_size)
    torch.testing.assert_close(model(**inputs()).sample, whole, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_setting_can_be_reset(trained, inputs):
    model = trained()
    whole = model(**inputs()).sample
    set_feed_forward_chunk_size(model, 7)
    set_feed_forward_chunk_size(model, None)
    assert torch.equal(model(**inputs()).sample, whole)


@torch.no_grad()
def test_chunks_need_less_memory(trained, inputs, peak_bytes):
    model = trained()
    whole = peak_bytes(lambda: model(**inputs()))
    set_feed_forward_chunk_size(model, 8)
    assert peak_bytes(lambda: model(**inputs())) < 0.9 * whole


@pytest.mark.parametrize(("chunk_size", "most"), [(None, LIVE_TENSORS), (4096, LIVE_TENSORS_CHUNKED)])
@torch.no_grad()
def test_the_peak_at_production_size_is_what_memory_profiles_count_on(peak_bytes, monkeypatch, chunk_size, most):
    published = json.loads(CONFIG.read_text())
    config = EasyAnimateTransformer3DModel.adapt_config({k: v for k, v in published.items() if not k.startswith("_")})
    model = build_empty(lambda: EasyAnimateTransformer3DModel(**config)).to(torch.bfloat16)
    set_feed_forward_chunk_size(model, chunk_size)
    # GPUs never hold a matrix of scores; the abstract device would.
    monkeypatch.setattr(attention, "attention", lambda q, k, v, bias: torch.empty_like(q))
    frames, height, width = 18, 90, 160  # 72 frames of 720x1280
    shapes = {
        "hidden_states": (1, 4, frames, height, width),
        "inpaint_latents": (1, 8, frames, height, width),
        "timestep": (1,),
        "encoder_hidden_states": (1, 120, 4096),
        "clip_encoder_hidden_states": (1, 768),
        "clip_attention_mask": (1, 8),
    }
    inputs = {name: torch.empty(shape, dtype=torch.bfloat16, device="meta") for name, shape in shapes.items()}
    tokens = 2 * 1152 * frames * (height // 2) * (width // 2)
    assert 0.9 * most * tokens <= peak_bytes(lambda: model(**inputs)) <= most * tokens
