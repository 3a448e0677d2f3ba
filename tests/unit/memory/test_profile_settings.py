"""What each memory profile sets on a pipeline, and the peak of a denoising step that follows from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from easyanimate.lora import LoraFile, LowRank, applied, flat_name
from easyanimate.memory import PROFILES, apply_memory_profile, profiles
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation
from easyanimate.pipeline.schedulers.denoise import Conditions
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.feed_forward import FeedForward

CHECKPOINT = Path(__file__).parents[2] / "golden" / "pipeline" / "checkpoint"
MOTION = {"num_attention_heads": 4, "temporal_position_encoding_max_len": 16}
SMALL: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "num_layers": 2,
    "in_channels": 12,
    "out_channels": 8,
    "patch_size": 2,
    "sample_size": 32,
    "caption_channels": 32,
    "cross_attention_dim": 32,
    "attention_bias": True,
    "clip_embed_dim": 16,
    "num_clip_tokens": 2,
    "motion_module_kwargs_even": {**MOTION, "attention_block_types": ["Temporal_Self", "Temporal_Self"]},
    "motion_module_kwargs_odd": {**MOTION, "attention_block_types": ["Temporal_Self", "Global_Self"]},
}
MODELS = ("text_encoder", "image_encoder", "transformer", "vae")


def in_profile(profile: Any) -> EasyAnimatePipeline:
    """A pipeline with a transformer of two blocks, so that activations outweigh weights."""
    torch.manual_seed(0)
    pipe = EasyAnimatePipeline.from_pretrained(CHECKPOINT, transformer=EasyAnimateTransformer3DModel(**SMALL).eval())
    apply_memory_profile(pipe, profile, "cpu")
    return pipe


@pytest.fixture(scope="module")
def pipes() -> dict[str, EasyAnimatePipeline]:
    """A pipeline in each profile; not to be changed."""
    return {profile: in_profile(profile) for profile in PROFILES}


def chunk_sizes(pipe: EasyAnimatePipeline) -> set[int | None]:
    return {module.chunk_size for module in pipe.transformer.modules() if isinstance(module, FeedForward)}


def groups(model: Any) -> dict[str, tuple[list[int], list[int]]]:
    """For each module that leads a group of offload: the identities of the modules and weights in the group."""
    hooks = {name: getattr(module, "_diffusers_hook", None) for name, module in model.named_modules()}
    leaders = {name: hook.get_hook("group_offloading") for name, hook in hooks.items() if hook}
    return {
        name: ([id(module) for module in leader.group.modules], [id(weight) for weight in leader.group.parameters])
        for name, leader in leaders.items()
        if leader
    }


@torch.no_grad()
def peak_of_a_step(pipe: EasyAnimatePipeline, peak_bytes: Callable[..., int]) -> int:
    request = Generation(
        prompt="a ball", negative_prompt="blurry", height=512, width=512, num_frames=8, num_inference_steps=1
    )
    draws = Draws.from_seed(0)
    noise = draws.normal(request.latent_shape(4), "initial_noise")
    text = pipe.encode_text(request)
    rows = text.embeds.shape[0]
    inpaint = torch.zeros(1, 8, *noise.shape[2:])
    conditions = Conditions(text, torch.zeros(rows, 16), torch.zeros(rows, 2), inpaint, 7.0, 0.5)
    return peak_bytes(lambda: pipe.denoise(noise, conditions, request, draws))


def test_a_step_of_each_profile_needs_less_memory_than_that_of_the_one_before(
    pipes: dict[str, EasyAnimatePipeline], peak_bytes: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "FEED_FORWARD_CHUNK_SIZE", 32)  # of 1,024 tokens of a frame
    normal, low = (peak_of_a_step(pipes[profile], peak_bytes) for profile in ("normal", "low"))
    lowest = peak_of_a_step(in_profile("lowest"), peak_bytes)
    assert low < 0.8 * normal  # 0.75: the activations of one row, in layers that are called one by one
    assert lowest < 0.45 * normal  # 0.39; more with feed-forwards that are whole
    assert lowest < low


@pytest.mark.parametrize(
    ("profile", "is_sequential", "chunk_size"), [("normal", False, None), ("low", True, None), ("lowest", True, 4096)]
)
def test_a_profile_sets_guidance_and_feed_forwards(
    pipes: dict[str, EasyAnimatePipeline], profile: str, is_sequential: bool, chunk_size: int | None
) -> None:
    pipe = pipes[profile]
    assert (pipe.sequential_guidance, chunk_sizes(pipe)) == (is_sequential, {chunk_size})
    assert pipe.transformer.long_skips_on_host == (profile == "lowest")


def test_a_faster_profile_sets_them_back() -> None:
    pipe = in_profile("low")
    profiles.set_feed_forward_chunk_size(pipe.transformer, 7)
    pipe.transformer.long_skips_on_host = True
    apply_memory_profile(pipe, "normal", "cpu")
    assert (pipe.sequential_guidance, chunk_sizes(pipe)) == (False, {None})
    assert not pipe.transformer.long_skips_on_host
    assert not any(hasattr(getattr(pipe, name), "_hf_hook") for name in MODELS)


def test_the_low_profile_moves_one_model_at_a_time(pipes: dict[str, EasyAnimatePipeline]) -> None:
    pipe = pipes["low"]
    assert all(hasattr(getattr(pipe, name), "_hf_hook") for name in MODELS)
    assert not any(groups(getattr(pipe, name)) for name in MODELS)


def test_the_lowest_profile_moves_each_block_or_layer_alone(pipes: dict[str, EasyAnimatePipeline]) -> None:
    pipe = pipes["lowest"]
    assert not any(hasattr(getattr(pipe, name), "_hf_hook") for name in MODELS)
    blocks = {f"transformer_blocks.{i}": [id(block)] for i, block in enumerate(pipe.transformer.transformer_blocks)}
    of_transformer = groups(pipe.transformer)
    assert {name: modules for name, (modules, _) in of_transformer.items() if name} == blocks
    layers = [name for name, module in pipe.text_encoder.named_modules() if isinstance(module, torch.nn.Linear)]
    assert set(layers) <= groups(pipe.text_encoder).keys()
    assert groups(pipe.image_encoder)
    assert not groups(pipe.vae)


def test_a_lora_is_in_the_groups_while_it_is_applied_and_leaves_them_as_they_were(
    pipes: dict[str, EasyAnimatePipeline],
) -> None:
    pipe = pipes["lowest"]
    models = {name: getattr(pipe, name) for name in ("transformer", "text_encoder")}
    query = "encoder.block.0.layer.0.SelfAttention.q"
    layers = {"transformer": "proj_out", "text_encoder": query}
    updates = {
        name: {flat_name(path): LowRank(torch.ones(2, layer.in_features), torch.ones(layer.out_features, 2))}
        for name, path in layers.items()
        for layer in [models[name].get_submodule(path)]
    }
    before = {name: groups(model) for name, model in models.items()}
    with applied(pipe, [(LoraFile("a", **updates), 1.0)]):
        (outside_blocks, _) = groups(pipe.transformer)[""]
        assert id(pipe.transformer.proj_out) in outside_blocks
        assert {f"{query}.base_layer", f"{query}.lora_A.lora0"} <= groups(pipe.text_encoder).keys()
    assert {name: groups(model) for name, model in models.items()} == before


@pytest.mark.parametrize(
    ("profile", "skips_on_host", "residual_on_host"),
    [("normal", False, False), ("low", False, True), ("lowest", True, True)],
)
def test_a_profile_sets_which_activations_wait_on_the_host(
    pipes: dict[str, EasyAnimatePipeline], profile: str, skips_on_host: bool, residual_on_host: bool
) -> None:
    transformer = pipes[profile].transformer
    assert (transformer.long_skips_on_host, transformer.residual_on_host) == (skips_on_host, residual_on_host)
