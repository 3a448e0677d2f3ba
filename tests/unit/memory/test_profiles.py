"""A pipeline has the same frames in each memory profile, or nearly the same if weights are rounded."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.lora import LoraFile, LowRank, applied, flat_name
from easyanimate.memory import Int8Linear, apply_memory_profile, profiles
from easyanimate.pipeline import EasyAnimatePipeline

CHECKPOINT = Path(__file__).parents[2] / "golden" / "pipeline" / "checkpoint"


def load() -> EasyAnimatePipeline:
    return EasyAnimatePipeline.from_pretrained(CHECKPOINT)


@pytest.fixture(scope="module")
def pipe() -> EasyAnimatePipeline:
    return load()


def frames(pipe: EasyAnimatePipeline, **changes: Any) -> Tensor:
    """Eight frames of 32x48, in 0..1."""
    settings = {"height": 32, "width": 48, "num_frames": 8, "num_inference_steps": 1, "generator": 3} | changes
    return pipe("a red ball", "blurry", output_type="pt", **settings).frames


@pytest.fixture(scope="module")
def normal(pipe: EasyAnimatePipeline) -> Tensor:
    return frames(pipe)


@pytest.fixture(scope="module")
def lora(pipe: EasyAnimatePipeline) -> LoraFile:
    """A rank-2 LoRA of all attention layers of both models."""
    torch.manual_seed(4)

    def updates(model: Any, kinds: tuple[str, ...]) -> dict[str, LowRank]:
        layers = {path: layer for path, layer in model.named_modules() if path.endswith(kinds)}
        return {
            flat_name(path): LowRank(torch.randn(2, layer.in_features), 0.05 * torch.randn(layer.out_features, 2))
            for path, layer in layers.items()
        }

    return LoraFile("a", updates(pipe.transformer, (".to_q", ".to_v")), updates(pipe.text_encoder, (".q", ".wo")))


@pytest.fixture(scope="module")
def normal_with_lora(pipe: EasyAnimatePipeline, normal: Tensor, lora: LoraFile) -> Tensor:
    with applied(pipe, [(lora, 0.55)]):
        return frames(pipe)


@pytest.fixture(scope="module")
def low() -> EasyAnimatePipeline:
    pipe = load()
    apply_memory_profile(pipe, "low", "cpu")
    return pipe


@pytest.fixture(scope="module")
def lowest() -> EasyAnimatePipeline:
    """The profile with chunks so small that even this clip has several."""
    pipe = load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "FEED_FORWARD_CHUNK_SIZE", 5)
        apply_memory_profile(pipe, "lowest", "cpu")
    return pipe


@pytest.fixture(scope="module")
def lowest_frames(lowest: EasyAnimatePipeline) -> Tensor:
    return frames(lowest)


def test_guidance_row_by_row_has_the_same_frames(pipe, normal, monkeypatch):
    batches = []
    hook = pipe.transformer.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
    monkeypatch.setattr(pipe, "sequential_guidance", True)
    result = frames(pipe)
    hook.remove()
    assert batches == [1, 1]
    torch.testing.assert_close(result, normal, atol=1e-4, rtol=0)


def test_without_guidance_there_is_one_row_either_way(pipe, monkeypatch):
    whole = frames(pipe, guidance_scale=1.0)
    monkeypatch.setattr(pipe, "sequential_guidance", True)
    assert torch.equal(frames(pipe, guidance_scale=1.0), whole)


def test_one_model_at_a_time_has_the_same_frames(low, normal):
    torch.testing.assert_close(frames(low), normal, atol=1e-4, rtol=0)


def test_a_lora_works_with_one_model_at_a_time(low, normal, normal_with_lora, lora):
    with applied(low, [(lora, 0.55)]):
        result = frames(low)
    torch.testing.assert_close(result, normal_with_lora, atol=1e-4, rtol=0)
    assert (result - normal).abs().max() > 0.1


def test_back_in_normal_everything_is_as_before(normal):
    pipe = load()
    apply_memory_profile(pipe, "low", "cpu")
    apply_memory_profile(pipe, "normal", "cpu")
    assert torch.equal(frames(pipe), normal)


def test_the_lowest_profile_is_off_by_less_than_bfloat16(lowest_frames, normal):
    in_bfloat16 = frames(EasyAnimatePipeline.from_pretrained(CHECKPOINT, torch_dtype=torch.bfloat16))
    off = (lowest_frames - normal).abs()
    assert 0 < off.mean() < 0.01  # another seed differs by 0.11
    assert off.mean() < (in_bfloat16 - normal).abs().mean()


def test_a_lora_works_in_the_lowest_profile_and_leaves_no_trace(lowest, lowest_frames, normal, normal_with_lora, lora):
    with applied(lowest, [(lora, 0.55)]):
        result = frames(lowest)
    rounding, effect = (result - normal_with_lora).abs().mean(), (normal - normal_with_lora).abs().mean()
    assert rounding < 0.5 * effect
    assert torch.equal(frames(lowest), lowest_frames)


def test_the_lowest_profile_stores_a_byte_for_each_large_weight(lowest):
    block, transformer = lowest.transformer.transformer_blocks[0], lowest.transformer
    assert block.ff.net[2].weight.dtype == torch.int8
    assert block.attn_temporal.temporal_transformer.norm.weight.dtype == torch.float32
    assert transformer.proj_out.weight.dtype == transformer.adaln_single.linear.weight.dtype == torch.float32
    assert isinstance(lowest.text_encoder.encoder.block[0].layer[0].SelfAttention.q, Int8Linear)
    assert transformer.dtype == lowest.text_encoder.dtype == torch.float32


def test_rounded_weights_accept_no_other_profile(lowest):
    with pytest.raises(InvalidInput, match="load it again"):
        apply_memory_profile(lowest, "normal", "cpu")


def test_an_unknown_profile_is_refused(pipe):
    with pytest.raises(InvalidInput, match="normal, low, lowest"):
        apply_memory_profile(pipe, "tiny", "cpu")
