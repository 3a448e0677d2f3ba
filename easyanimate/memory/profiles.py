"""Applies a memory profile to a loaded pipeline.

| profile | weights on the device | guidance | feed-forwards | result |
|---|---|---|---|---|
| normal | all | both rows together | whole | |
| low | one model at a time: text, image, transformer, VAE | row by row | whole | as normal, up to rounding |
| lowest | one block or layer at a time, and the VAE; stored in 8 bits | row by row | in chunks | closer than bfloat16 |

In "lowest" the linear layers of the transformer and of T5 are stored in int8, and long skips wait on the host.
Not yet measured on a GPU: streams, pinned memory and the true peaks. On the CPU each profile works, without streams.
"""

from pathlib import Path
from typing import Any, TypeVar

import torch

from easyanimate.errors import InvalidInput
from easyanimate.half_on_cpu import has_fast_half_products, widen_products
from easyanimate.memory.estimates import FEED_FORWARD_CHUNK_SIZE, PROFILES, Profile
from easyanimate.memory.int8_linear import Int8Linear, quantize_to_int8
from easyanimate.pipeline import ClipPipeline, ClipStages
from easyanimate.pipeline.encoder_cache import EncoderCache
from easyanimate.transformer.feed_forward import set_feed_forward_chunk_size
from easyanimate.transformer.inference.products import join_products

Pipe = TypeVar("Pipe", bound=Any)

# Few values, but every token depends on them.
_NOT_QUANTIZED = ("adaln_single", "proj_out")


def load_in_profile(folder: Path, dtype: torch.dtype, profile: Profile, device: torch.device | str) -> ClipStages:
    """The pipeline of a local folder, in the memory profile. Frames are those of `EasyAnimatePipeline`.

    In "normal" nothing is imported of diffusers' pipelines. The caller does not write the weights, so results of the
    encoders are kept for later requests. Raises CheckpointError and InvalidInput.
    """
    pipe = apply_memory_profile(_load(folder, dtype, profile), profile, device)
    encoders = {"text_encoder": pipe.text_encoder, "image_encoder": pipe.image_encoder, "vae": pipe.vae}
    pipe.encoder_cache = EncoderCache(encoders)
    return pipe


def _load(folder: Path, dtype: torch.dtype, profile: Profile) -> ClipStages:
    if profile == "normal":
        return ClipPipeline.from_pretrained(folder, torch_dtype=dtype)
    from easyanimate.pipeline import EasyAnimatePipeline

    return EasyAnimatePipeline.from_pretrained(folder, torch_dtype=dtype)


def apply_memory_profile(pipe: Pipe, profile: Profile, device: torch.device | str) -> Pipe:
    """Places the models of `pipe` and sets how it computes, until the next profile. Call it between requests.

    Returns `pipe`. Results of "low" equal those of "normal" up to rounding. "lowest" rounds the stored weights
    permanently. Its frames differ less than those of bfloat16, and the pipeline accepts no other profile afterwards.
    Raises InvalidInput for an unknown profile, and for a pipeline in "lowest".
    """
    if profile not in PROFILES:
        raise InvalidInput(f"the memory profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    if any(isinstance(module, Int8Linear) for module in pipe.text_encoder.modules()):
        raise InvalidInput('the pipeline is in the memory profile "lowest", which rounds its weights; load it again')
    if isinstance(pipe, ClipPipeline) and profile != "normal":
        raise InvalidInput(f'the memory profile "{profile}" needs an EasyAnimatePipeline, which moves its models')
    device = torch.device(device)
    pipe.remove_all_hooks()
    pipe.sequential_guidance = profile != "normal"
    if device.type == "cpu" and not has_fast_half_products():
        for model in (pipe.text_encoder, pipe.image_encoder, pipe.transformer, pipe.vae):
            widen_products(model)
    set_feed_forward_chunk_size(pipe.transformer, FEED_FORWARD_CHUNK_SIZE if profile == "lowest" else None)
    pipe.transformer.long_skips_on_host = profile == "lowest"
    pipe.transformer.residual_on_host = profile != "normal"
    if profile == "normal":
        _place(pipe, device)
    elif profile == "low":
        pipe.enable_model_cpu_offload(device=device)
    else:
        _offload_in_groups(pipe, device)
    return pipe


def _place(pipe: Pipe, device: torch.device) -> None:
    """Moves all models; on a GPU, queries, keys and values then have one product."""
    pipe.to(device)
    if device.type != "cpu":
        join_products(pipe.transformer)


def _offload_in_groups(pipe: Any, device: torch.device) -> None:
    """Offloads whole blocks of the transformer; a single layer would be moved again for each feed-forward chunk."""
    from diffusers.hooks import apply_group_offloading

    pipe.to("cpu")
    quantize_to_int8(pipe.text_encoder)
    quantize_to_int8(pipe.transformer, _NOT_QUANTIZED)
    onto: dict[str, Any] = {"onload_device": device, "use_stream": device.type == "cuda"}
    apply_group_offloading(pipe.transformer, offload_type="block_level", num_blocks_per_group=1, **onto)
    apply_group_offloading(pipe.text_encoder, offload_type="leaf_level", **onto)
    apply_group_offloading(pipe.image_encoder, offload_type="leaf_level", **onto)
    pipe.vae.to(device)  # half a gigabyte, and its parts are called without its forward
