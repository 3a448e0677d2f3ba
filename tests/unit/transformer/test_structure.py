"""The structure and the cost of the published model, where a small model shows no difference."""

import json
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.attention import Attention
from easyanimate.transformer.feed_forward import GEGLU, TanhGELU
from easyanimate.transformer.motion import MotionAttention
from easyanimate.weights.checkpoint import build_empty

CONFIG = Path(__file__).parents[2] / "golden" / "transformer" / "production_config.json"


def published_config() -> dict[str, Any]:
    settings = json.loads(CONFIG.read_text())
    return EasyAnimateTransformer3DModel.adapt_config({k: v for k, v in settings.items() if not k.startswith("_")})


@pytest.fixture(scope="module")
def model() -> EasyAnimateTransformer3DModel:
    """The published model, on the meta device."""
    return build_empty(lambda: EasyAnimateTransformer3DModel(**published_config()))


def test_norms_outside_the_motion_modules_have_no_weights_and_epsilon_1e_6(
    model: EasyAnimateTransformer3DModel,
) -> None:
    norms = [m for n, m in model.named_modules() if isinstance(m, nn.LayerNorm) and "attn_temporal" not in n]
    assert len(norms) == 2 * 28 + 1
    assert {(norm.eps, norm.elementwise_affine) for norm in norms} == {(1e-6, False)}


def test_norms_in_the_motion_modules_have_weights_and_epsilon_1e_5(model: EasyAnimateTransformer3DModel) -> None:
    norms = [m for n, m in model.named_modules() if isinstance(m, nn.LayerNorm) and "attn_temporal" in n]
    assert len(norms) == 3 * 28
    assert {(norm.eps, norm.elementwise_affine) for norm in norms} == {(1e-5, True)}


def test_group_norms_have_32_groups_and_epsilon_1e_6(model: EasyAnimateTransformer3DModel) -> None:
    norms = [m for m in model.modules() if isinstance(m, nn.GroupNorm)]
    assert len(norms) == 28
    assert {(norm.eps, norm.num_groups, norm.affine) for norm in norms} == {(1e-6, 32, True)}


def test_the_epsilon_of_block_norms_is_that_of_the_configuration() -> None:
    config = published_config() | {"norm_eps": 1e-3}
    changed = build_empty(lambda: EasyAnimateTransformer3DModel(**config))
    assert changed.transformer_blocks[5].norm1.eps == changed.transformer_blocks[5].norm2.eps == 1e-3
    assert changed.norm_out.eps == 1e-6


def test_gelu_is_exact_in_the_motion_modules_and_a_tanh_elsewhere(model: EasyAnimateTransformer3DModel) -> None:
    kinds = {(type(m), m.act.approximate) for m in model.modules() if isinstance(m, (GEGLU, TanhGELU))}
    assert kinds == {(GEGLU, "none"), (TanhGELU, "tanh")}
    assert model.caption_projection.act.approximate == model.clip_projection.act.approximate == "tanh"


def test_there_are_16_heads_everywhere_and_no_qkv_bias_in_the_motion_modules(
    model: EasyAnimateTransformer3DModel,
) -> None:
    kinds = {
        (isinstance(m, MotionAttention), m.heads, m.to_q.bias is not None, m.to_out[0].bias is not None)
        for m in model.modules()
        if isinstance(m, Attention)
    }
    assert kinds == {(False, 16, True, True), (True, 16, False, True)}


def test_only_the_second_attention_of_odd_blocks_is_global(model: EasyAnimateTransformer3DModel) -> None:
    layers = [
        [
            layer.over_whole_clip
            for layer in block.attn_temporal.temporal_transformer.transformer_blocks[0].attention_blocks
        ]
        for block in model.transformer_blocks
    ]
    assert layers == [[False, False], [False, True]] * 14


def test_skips_lead_from_the_first_13_blocks_to_the_last_13_in_reverse(model: EasyAnimateTransformer3DModel) -> None:
    assert model.skips == [(12 - i, 15 + i) for i in range(13)]


def test_a_small_published_model_owns_13_links_that_lead_nowhere() -> None:
    config = published_config() | {"num_layers": 2}
    assert len(build_empty(lambda: EasyAnimateTransformer3DModel(**config)).long_connect_fc) == 13


def test_the_model_keeps_no_buffers(model: EasyAnimateTransformer3DModel) -> None:
    assert list(model.buffers()) == []


def product_flops(_: Any, first: list[int], second: list[int], **__: Any) -> int:
    """The operations of a product that is added in place, which torch does not count; arguments are shapes."""
    return 2 * prod(first) * second[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "frames", "side"), [(2, 1, 64), (1, 4, 16)])
def test_the_cost_is_that_of_the_formula(
    model: EasyAnimateTransformer3DModel, batch: int, frames: int, side: int
) -> None:
    arguments = {
        "hidden_states": torch.empty(batch, 4, frames, side, side),
        "inpaint_latents": torch.empty(batch, 8, frames, side, side),
        "timestep": torch.zeros(batch),
        "encoder_hidden_states": torch.empty(batch, 120, 4096),
        "encoder_attention_mask": torch.ones(batch, 120),
        "clip_encoder_hidden_states": torch.empty(batch, 768),
        "clip_attention_mask": torch.ones(batch, 8),
    }
    in_place = {torch.ops.aten.addmm_: product_flops, torch.ops.aten.baddbmm_: product_flops}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter, torch.no_grad():
        model.to("meta")(**{name: value.to("meta") for name, value in arguments.items()})
    biases = 28 * 2 * 2 * 1152**2  # two biases of each block pass through a linear layer
    assert counter.get_total_flops() == batch * flops_of_one_item(frames, (side // 2) ** 2) + biases


def flops_of_one_item(frames: int, per_frame: int) -> int:
    """The formula of the specification (15), for context of 120 + 8 tokens; a multiplication with addition is two."""
    d, context, tokens = 1152, 128, frames * per_frame
    linear = tokens * d * d * (28 * 72 + 26)
    attention = 112 * tokens * per_frame * d + 168 * per_frame * frames**2 * d + 56 * tokens**2 * d
    cross = 112 * tokens * context * d + 112 * context * d * d
    time = 2 * (256 * d + d * d + 6 * d * d)
    text = 120 * 2 * (4096 * d + d * d)
    image = 2 * (768 * 8 * d + (8 * d) ** 2)
    return linear + attention + cross + 160 * tokens * d + time + text + image
