"""Checks of Slice VAE configurations, for the constructor and for published config files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE, LATENTS_PER_SLICE

DOWN_BLOCK_TYPES = (
    "SpatialDownBlock3D",
    "SpatialTemporalDownBlock3D",
    "SpatialTemporalDownBlock3D",
    "SpatialTemporalDownBlock3D",
)
UP_BLOCK_TYPES = (
    "SpatialUpBlock3D",
    "SpatialTemporalUpBlock3D",
    "SpatialTemporalUpBlock3D",
    "SpatialTemporalUpBlock3D",
)

_SAMPLES_TIME = {
    "SpatialDownBlock3D": False,
    "SpatialTemporalDownBlock3D": True,
    "SpatialUpBlock3D": False,
    "SpatialTemporalUpBlock3D": True,
}

# Published keys that are no constructor arguments, because V3 has one value of each (spec: Slice VAE, appendix B).
_ONLY_VALUE: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu",),
    "mid_block_type": ("MidBlock3D",),
    "mid_block_use_attention": (True,),
    "mid_block_attention_type": ("3d",),
    "use_gc_blocks": (None, False),
    "cache_compression_vae": (False,),
    "cache_mag_vae": (False,),
    "spatial_group_norm": (False,),
}
# Published keys without effect: checked against other keys, or for parts that this network does not have.
# `upcast_vae` true would compute in float32; it is not in the set, so that loading reports it.
SETTINGS_WITHOUT_EFFECT = frozenset(
    {*_ONLY_VALUE, "block_out_channels", "force_upcast", "num_attention_heads", "sample_size", "slice_mag_vae"}
    | {"use_tiling_encoder", "use_tiling_decoder"}
)


@dataclass(frozen=True)
class NetworkPlan:
    """Settings that encoder and decoder share: the width of each level, from pixels inwards, and the block settings."""

    widths: tuple[int, ...]
    layers_per_block: int
    groups: int
    heads: int


def plan_network(ch: int, ch_mult: Sequence[int], layers_per_block: int, groups: int, heads: int) -> NetworkPlan:
    """Raises InvalidInput, which names the setting, if no network can be built from these numbers."""
    widths = tuple(ch * factor for factor in ch_mult)
    if len(widths) != 4:
        raise InvalidInput(f"ch_mult needs four entries for 8x8 pixels per latent, got {list(ch_mult)}")
    if layers_per_block < 1:
        raise InvalidInput(f"layers_per_block must be at least 1, got {layers_per_block}")
    if any(width % groups for width in widths):
        raise InvalidInput(f"norm_num_groups {groups} must divide every width, got {list(widths)}")
    if widths[-1] % heads:
        raise InvalidInput(f"mid_block_num_attention_heads {heads} must divide the innermost width {widths[-1]}")
    return NetworkPlan(widths, layers_per_block, groups, heads)


def samples_time(block_types: Sequence[str], supported: Sequence[str]) -> tuple[bool, ...]:
    """For each block whether its resampling changes the frame rate; the last block has none.

    Raises InvalidInput for a type outside `supported`, or if the total factor in time is not four.
    """
    unknown = sorted(set(block_types) - set(supported))
    if unknown:
        raise InvalidInput(f"block types {unknown} are not supported; use {sorted(set(supported))}")
    temporal = tuple(_SAMPLES_TIME[name] for name in block_types)
    if len(temporal) != 4 or sum(temporal[:-1]) != 2:
        raise InvalidInput(
            f"need four block types, two of the first three spatial-temporal (4 frames per latent), got {block_types}"
        )
    return temporal


def check_slice_sizes(mini_batch_encoder: int, mini_batch_decoder: int) -> None:
    """InvalidInput unless slices have 8 frames and 2 latents, which all modules assume."""
    if (mini_batch_encoder, mini_batch_decoder) != (FRAMES_PER_SLICE, LATENTS_PER_SLICE):
        raise InvalidInput(
            f"mini_batch_encoder and mini_batch_decoder must be {FRAMES_PER_SLICE} and {LATENTS_PER_SLICE}, "
            f"got {mini_batch_encoder} and {mini_batch_decoder}"
        )


def adapt_published_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a published config file without its `_…` entries; unknown ones stay and are ignored.

    Raises CheckpointError for a setting of another network (spec: Slice VAE 2.2, appendix B).
    """
    settings = {key: value for key, value in config.items() if not key.startswith("_")}
    for key, allowed in _ONLY_VALUE.items():
        if key in settings and settings[key] not in allowed:
            raise CheckpointError(f"{key} {settings[key]!r} is not supported; only {allowed[0]!r} is")
    _check_later_modes(settings)
    if settings.get("upcast_vae") is False:
        del settings["upcast_vae"]
    ch, ch_mult = settings.get("ch", 128), settings.get("ch_mult", (1, 2, 4, 4))
    widths = [ch * factor for factor in ch_mult]
    published_widths = settings.get("block_out_channels")
    if published_widths is not None and list(published_widths) != widths:
        raise CheckpointError(f"block_out_channels {list(published_widths)} disagrees with ch * ch_mult {widths}")
    return settings


def _check_later_modes(settings: Mapping[str, Any]) -> None:
    """Checks settings of later releases that depend on others (spec: Slice VAE 13)."""
    if settings.get("slice_mag_vae") and not settings.get("slice_compression_vae", True):
        raise CheckpointError("slice_mag_vae without slice_compression_vae is another network; only V3 is supported")
    for key in ("use_tiling_encoder", "use_tiling_decoder"):
        if settings.get(key) and not settings.get("use_tiling", True):
            raise CheckpointError(f"{key} without use_tiling is not supported; use_tiling enables both")
