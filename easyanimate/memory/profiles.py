"""Puts a loaded pipeline into a memory profile.

| profile | weights on the device | guidance | feed-forwards | result |
|---|---|---|---|---|
| normal | all | both rows at once | whole | |
| low | one model at a time: text, image, transformer, VAE | row by row | whole | as normal, but for rounding |
| lowest | one layer at a time and the VAE; transformer stored in fp8, T5 in int8 | row by row | in pieces | close |

Not run on a GPU so far: streams, pinned memory and the true peaks. On the CPU every profile works, without streams.
"""

import torch
from diffusers.hooks import apply_group_offloading

from easyanimate.errors import InvalidInput
from easyanimate.memory.estimates import PROFILES, Profile
from easyanimate.memory.int8_linear import Int8Linear, store_in_8_bits
from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.transformer.feed_forward import split_feed_forwards

TOKENS_AT_ONCE = 4096  # a piece's 16 wide copies are then smaller than one tensor of all tokens (spec: transformer 15)
# Few values, but every token depends on them; norms are left alone by themselves.
_KEPT_WHOLE = ("pos_embed", "adaln_single", "norm", "^proj_out$")


def apply_memory_profile(pipe: EasyAnimatePipeline, profile: Profile, device: torch.device | str) -> None:
    """Place the models of `pipe` and set how it works, until the next profile; call it between requests.

    Results of "low" are those of "normal" up to rounding. "lowest" rounds the stored weights for good: its frames
    are close, and the pipeline takes no other profile afterwards.
    Raises InvalidInput for an unknown profile, and for a pipeline in "lowest".
    """
    if profile not in PROFILES:
        raise InvalidInput(f"the memory profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    if any(isinstance(module, Int8Linear) for module in pipe.text_encoder.modules()):
        raise InvalidInput('the pipeline is in the memory profile "lowest", which rounds its weights; load it again')
    device = torch.device(device)
    pipe.remove_all_hooks()
    pipe.guidance_in_turn = profile != "normal"
    split_feed_forwards(pipe.transformer, TOKENS_AT_ONCE if profile == "lowest" else None)
    if profile == "normal":
        pipe.to(device)
    elif profile == "low":
        pipe.enable_model_cpu_offload(device=device)
    else:
        _offload_by_layers(pipe, device)


def _offload_by_layers(pipe: EasyAnimatePipeline, device: torch.device) -> None:
    """Leaves, not blocks, so that the layers of a LoRA, which come later, belong to no group."""
    pipe.to("cpu")
    store_in_8_bits(pipe.text_encoder)
    pipe.transformer.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn, compute_dtype=pipe.transformer.dtype, skip_modules_pattern=_KEPT_WHOLE
    )
    for model in (pipe.text_encoder, pipe.image_encoder, pipe.transformer):
        apply_group_offloading(model, onload_device=device, offload_type="leaf_level", use_stream=device.type == "cuda")
    pipe.vae.to(device)  # half a gigabyte, and it calls its layers in its own ways
