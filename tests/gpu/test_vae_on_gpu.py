"""The Slice VAE on a CUDA device."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from easyanimate.vae import AutoencoderKLSlice
from easyanimate.vae.layers import MidAttention

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

GOLDEN = Path(__file__).parents[1] / "golden" / "slice_vae"


@pytest.fixture
def exact_float32(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


@pytest.mark.parametrize("name", ["dec_t1", "dec_t6", "dec_t7"])
@torch.no_grad()
def test_decoding_on_the_gpu_meets_the_reference(exact_float32, name):
    vae = AutoencoderKLSlice.from_config(json.loads((GOLDEN / "config.json").read_text())).eval()
    vae.load_state_dict(load_file(GOLDEN / "weights.safetensors"))
    golden = load_file(GOLDEN / "decode.safetensors")
    decoded = vae.cuda().decode(golden["z"][:, :, : int(name[-1])].cuda()).sample
    torch.testing.assert_close(decoded.cpu(), golden[name], atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_attention_over_one_production_tile_keeps_no_matrix_of_scores():
    attention = MidAttention(512, groups=32, heads=1).cuda().bfloat16()
    x = torch.randn(1, 512, 6, 48, 48, device="cuda", dtype=torch.bfloat16)
    tokens = 6 * 48 * 48
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    attention(x)
    assert torch.cuda.max_memory_allocated() - before < tokens * tokens * 2
