"""Settings of a published configuration: those with an effect, the fixed ones, and those without an effect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from easyanimate.errors import InvalidInput

# The only value in this architecture; files must contain it, because other code bases have other defaults (spec:
# transformer 2.1).
FIXED: dict[str, Any] = {
    "activation_fn": "gelu-approximate",
    "basic_block_type": "global_motionmodule",
    "motion_module_type": "Vanilla",
    "norm_elementwise_affine": False,
    "norm_type": "ada_norm_single",
}
# The same, but files may omit them. The last seven came with later releases (spec: transformer 16).
FIXED_IF_PRESENT: dict[str, Any] = {
    "after_norm": False,
    "casual_3d": False,
    "double_self_attention": False,
    "dropout": 0.0,
    "fake_3d": False,
    "only_cross_attention": False,
    "patch_3d": False,
    "qk_norm": False,
    "upcast_attention": False,
    "add_noise_in_inpaint_model": False,
    "enable_clip_in_inpaint": True,
    "enable_text_attention_mask": True,
    "enable_zero_in_inpaint": False,
    "n_query": 8,
    "position_of_clip_embedding": "head",
    "resize_inpaint_mask_directly": False,
}
# In published files without an effect on this architecture; the second half is from weight averaging in training.
WITHOUT_EFFECT = {
    "attention_type",
    "casual_3d_upsampler_index",
    "motion_module_kwargs",
    "norm_num_groups",
    "num_embeds_ada_norm",
    "num_vector_embeds",
    "time_patch_size",
    "use_linear_projection",
    "decay",
    "inv_gamma",
    "min_decay",
    "optimization_step",
    "power",
    "update_after_step",
    "use_ema_warmup",
}
MOTION_MODULES = ("motion_module_kwargs_even", "motion_module_kwargs_odd")
MICRO_CONDITIONED_SIZE = 128  # the sample_size of models with resolution and aspect ratio as inputs (6.2)
INPAINT_CHANNELS = 12  # the in_channels of models with a CLIP image as input (7)
SKIPS = 13  # skips of the published models: 12 -> 15, 11 -> 16, ..., 0 -> 27, for each depth (10)
FIRST_SKIP_INTO = 15


def effective_settings(published: Mapping[str, Any]) -> dict[str, Any]:
    """`published` without fixed settings and settings without effect.

    Raises InvalidInput if a fixed setting has another value. Unknown settings stay, those of a motion module under a
    name like `motion_module_kwargs_odd.speed`.
    """
    missing = sorted(FIXED.keys() - published.keys())
    if missing:
        raise InvalidInput(f"the configuration lacks {missing[0]}; this architecture has {FIXED[missing[0]]!r}")
    fixed = FIXED | FIXED_IF_PRESENT
    for name in sorted(fixed.keys() & published.keys()):
        if published[name] != fixed[name]:
            raise InvalidInput(f"{name} is {published[name]!r}, but this architecture only has {fixed[name]!r}")
    counting = {name: value for name, value in published.items() if name not in fixed and name not in WITHOUT_EFFECT}
    return _split_motion_settings(counting)


def _split_motion_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Moves the unknown settings of the motion modules to the top level of `settings`."""
    accepted = {field.name for field in fields(MotionSettings)}
    changed = dict(settings)
    for name in MOTION_MODULES:
        if isinstance(kwargs := settings.get(name), Mapping):
            changed[name] = {key: value for key, value in kwargs.items() if key in accepted}
            changed |= {f"{name}.{key}": value for key, value in kwargs.items() if key not in accepted}
    return changed


@dataclass(frozen=True)
class MotionSettings:
    """The settings of the motion modules of even, or of odd blocks (spec: transformer 9.1)."""

    attention_block_types: Sequence[str]
    num_attention_heads: int
    temporal_position_encoding_max_len: int = 4096
    remove_time_embedding_in_photo: bool = False
    temporal_position_encoding: bool = True
    block_size: int = 1
    num_transformer_block: int = 1
    temporal_attention_dim_div: int = 1

    def __post_init__(self) -> None:
        odd = [kind for kind in self.attention_block_types if kind not in ("Temporal_Self", "Global_Self")]
        if odd or not self.attention_block_types:
            raise InvalidInput(f"attention_block_types {odd} must be some of Temporal_Self, Global_Self")
        ones = (self.block_size, self.num_transformer_block, self.temporal_attention_dim_div)
        if ones != (1, 1, 1) or self.temporal_position_encoding is not True:
            raise InvalidInput(
                "motion modules only come with block_size, num_transformer_block and temporal_attention_dim_div 1, "
                "and with temporal_position_encoding"
            )

    @classmethod
    def read(cls, kwargs: Mapping[str, Any], name: str) -> Self:
        """The settings in the configuration entry `name`; InvalidInput names unknown or missing ones."""
        unknown = kwargs.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise InvalidInput(f"{name} has unknown settings: {', '.join(sorted(unknown))}")
        try:
            return cls(**kwargs)
        except TypeError as problem:
            raise InvalidInput(f"{name}: {problem}") from problem


def read_motion_settings(even: Mapping[str, Any], odd: Mapping[str, Any]) -> tuple[MotionSettings, MotionSettings]:
    """The settings of even and of odd blocks. Raises InvalidInput."""
    name_even, name_odd = MOTION_MODULES
    return MotionSettings.read(even, name_even), MotionSettings.read(odd, name_odd)


def check_widths(width: int, cross_attention_dim: int, sample_size: int, motion: Sequence[MotionSettings]) -> None:
    """InvalidInput for a width D that the layers cannot divide evenly."""
    if cross_attention_dim != width:
        raise InvalidInput(
            f"cross_attention_dim must be the width {width} (heads x head width), not {cross_attention_dim}"
        )
    for settings in motion:
        if width % settings.num_attention_heads:
            raise InvalidInput(f"{settings.num_attention_heads} motion heads cannot share a width of {width}")
    if width % 32:
        raise InvalidInput(f"the width must be a multiple of 32 (groups of the motion norm), got {width}")
    if sample_size == MICRO_CONDITIONED_SIZE and width % 3:
        raise InvalidInput(f"the width must be a multiple of 3 at sample_size {sample_size}, got {width}")


def skip_pairs(own: Sequence[Sequence[int]] | None, num_layers: int) -> list[tuple[int, int]]:
    """(from, to) of each long skip, in the order of their layers: `own`, or the published ones without `own`.

    A published model of fewer than 28 blocks has skips beyond its blocks; they have weights all the same.
    """
    if own is None:
        if num_layers > FIRST_SKIP_INTO + SKIPS:
            raise InvalidInput(f"the published skips are for up to 28 layers, not {num_layers}; set uvit_skip_pairs")
        return [(SKIPS - 1 - i, FIRST_SKIP_INTO + i) for i in range(SKIPS)]
    pairs = [(source, target) for source, target in own]
    distinct = len(dict(pairs)) == len({target for _, target in pairs}) == len(pairs)
    if not distinct or not all(0 <= source < target < num_layers for source, target in pairs):
        raise InvalidInput(
            f"uvit_skip_pairs {pairs} must lead forward among {num_layers} blocks, each from and to its own"
        )
    return pairs
