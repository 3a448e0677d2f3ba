"""The public class of the Slice VAE."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, overload

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import BaseOutput
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from easyanimate.errors import InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE, LATENTS_PER_SLICE, SPATIAL_FACTOR, TEMPORAL_FACTOR
from easyanimate.vae.config import (
    DOWN_BLOCK_TYPES,
    SETTINGS_WITHOUT_EFFECT,
    UP_BLOCK_TYPES,
    adapt_published_config,
    check_slice_sizes,
    plan_network,
    samples_time,
)
from easyanimate.vae.decoder import Decoder
from easyanimate.vae.encoder import Encoder
from easyanimate.vae.posterior import Posterior
from easyanimate.vae.regime import Regime
from easyanimate.vae.slices import check_num_frames, split_slices, with_neighbours
from easyanimate.vae.tiling import blend_corner, plan_tiles, run_tiled
from easyanimate.weights.checkpoint import PublishedWeights


@dataclass
class DecoderOutput(BaseOutput):
    """`sample` [B, 3, F, H, W]; the class of that name in diffusers would import all of its models."""

    sample: Tensor


class AutoencoderKLSlice(PublishedWeights, ModelMixin, ConfigMixin):
    """Pixels in [-1, 1] to raw latents and back, in slices of 8 frames, so that memory does not grow with length.

    The caller scales by `config.scaling_factor` (spec: Slice VAE 6). Defaults are those of the published V3.
    """

    spatial_factor: ClassVar[int] = SPATIAL_FACTOR
    temporal_factor: ClassVar[int] = TEMPORAL_FACTOR
    settings_without_effect: ClassVar[frozenset[str]] = SETTINGS_WITHOUT_EFFECT
    _supports_gradient_checkpointing = False

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        ch: int = 128,
        ch_mult: tuple[int, ...] = (1, 2, 4, 4),
        down_block_types: tuple[str, ...] = DOWN_BLOCK_TYPES,
        up_block_types: tuple[str, ...] = UP_BLOCK_TYPES,
        mid_block_num_attention_heads: int = 1,
        layers_per_block: int = 2,
        latent_channels: int = 4,
        norm_num_groups: int = 32,
        scaling_factor: float = 0.18215,
        slice_compression_vae: bool = True,
        mini_batch_encoder: int = FRAMES_PER_SLICE,
        mini_batch_decoder: int = LATENTS_PER_SLICE,
        use_tiling: bool = True,
        tile_sample_min_size: int = 384,
        tile_overlap_factor: float = 0.25,
    ) -> None:
        """`slice_compression_vae` False is the V2 mode: the whole clip in one causal pass (spec: appendix A).

        Raises InvalidInput for settings without an 8x8x4 network.
        """
        super().__init__()
        plan = plan_network(ch, ch_mult, layers_per_block, norm_num_groups, mid_block_num_attention_heads)
        if slice_compression_vae:
            check_slice_sizes(mini_batch_encoder, mini_batch_decoder)
        self.encoding_tiles, self.decoding_tiles = plan_tiles(tile_sample_min_size, tile_overlap_factor)
        self.use_tiling = use_tiling
        self.encoder = Encoder(in_channels, 2 * latent_channels, samples_time(down_block_types, DOWN_BLOCK_TYPES), plan)
        self.decoder = Decoder(latent_channels, out_channels, samples_time(up_block_types, UP_BLOCK_TYPES), plan)
        self.quant_conv = nn.Conv3d(2 * latent_channels, 2 * latent_channels, 1)
        self.post_quant_conv = nn.Conv3d(latent_channels, latent_channels, 1)
        self.register_to_config(block_out_channels=list(plan.widths))  # other readers of the config need it

    @classmethod
    def adapt_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The settings of a published config file; CheckpointError for unsupported ones."""
        return adapt_published_config(config)

    @classmethod
    def adapt_state_dict(cls, state_dict: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
        """Removes the `loss.…` networks of VAE training from a published file (spec: Slice VAE 12)."""
        return {key: tensor for key, tensor in state_dict.items() if not key.startswith("loss.")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **kwargs: Any) -> Self:
        """A model with new weights from published settings, which are checked as in `from_pretrained`."""
        return super().from_config(cls.adapt_config(dict(config)), **kwargs)

    def enable_tiling(self) -> None:
        """Processes images larger than `tile_sample_min_size` in tiles."""
        self.use_tiling = True

    def disable_tiling(self) -> None:
        """Processes images of any size as a whole, which needs more memory."""
        self.use_tiling = False

    def enable_slicing(self) -> None:
        """Changes nothing: a video is always processed in slices of 8 frames."""

    def disable_slicing(self) -> None:
        """Raises InvalidInput: the weights are trained for slices."""
        raise InvalidInput("slices cannot be disabled: the weights of this VAE are trained for slices of 8 frames")

    def forward(
        self,
        video: Tensor,
        sample_posterior: bool = False,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> Any:
        """The reconstruction of `video` [B, 3, F, H, W] from the mode of its posterior, or from a sample."""
        posterior = self.encode(video).latent_dist
        return self.decode(posterior.sample(generator) if sample_posterior else posterior.mode(), return_dict)

    @overload
    def encode(
        self, video: Tensor, return_dict: Literal[True] = True, *, allow_any_length: bool = False
    ) -> AutoencoderKLOutput: ...
    @overload
    def encode(self, video: Tensor, return_dict: bool, *, allow_any_length: bool = False) -> Any: ...
    @apply_forward_hook
    def encode(self, video: Tensor, return_dict: bool = True, *, allow_any_length: bool = False) -> Any:
        """`.latent_dist`, the posterior of raw latents [B, 4, F', H / 8, W / 8], of `video` [B, 3, F, H, W].

        F is 1, 8k or 1 + 8k, otherwise InvalidInput. `allow_any_length` accepts each F; decoding changes the length.
        A tuple of the posterior if `return_dict` is false.
        """
        self._check_pixels(video)
        if not allow_any_length:
            check_num_frames(video.shape[2], legacy=self._is_legacy)
        slices = (video,) if self._is_legacy else split_slices(video, FRAMES_PER_SLICE)
        moments = torch.cat([self._moments(part) for part in slices], dim=2)
        posterior = Posterior(moments)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    @apply_forward_hook
    def encode_slice(self, frames: Tensor) -> Posterior:
        """The posterior of one slice, [B, 3, 8, H, W] or [B, 3, 1, H, W]: a part of `encode` of the whole clip."""
        self._check_pixels(frames)
        if self._is_legacy or frames.shape[2] not in (1, FRAMES_PER_SLICE):
            raise InvalidInput(
                f"a slice has 1 or {FRAMES_PER_SLICE} frames and slice_compression_vae is on, got {frames.shape[2]} "
                f"frames, slice_compression_vae {not self._is_legacy}"
            )
        return Posterior(self._moments(frames))

    @overload
    def decode(
        self, latents: Tensor, return_dict: Literal[True] = True, *, extra_corner_tile: bool = False
    ) -> DecoderOutput: ...
    @overload
    def decode(self, latents: Tensor, return_dict: bool, *, extra_corner_tile: bool = False) -> Any: ...
    def decode(self, latents: Tensor, return_dict: bool = True, *, extra_corner_tile: bool = False) -> Any:
        """`.sample`, pixels [B, 3, F, 8h, 8w] near [-1, 1], not clamped, of raw `latents` [B, 4, F', h, w].

        A tuple of the pixels if `return_dict` is false.
        """
        pixels = torch.cat(list(self.decode_slices(latents, extra_corner_tile=extra_corner_tile)), dim=2)
        return DecoderOutput(sample=pixels) if return_dict else (pixels,)

    def decode_slices(self, latents: Tensor, *, extra_corner_tile: bool = False) -> Iterator[Tensor]:
        """The pieces of `decode(latents)` in order, each [B, 3, 8, 8h, 8w]; one frame first if F' is odd.

        `extra_corner_tile` is the decoding rule of later versions for tiled images (spec: Slice VAE 8).
        """
        channels = self.config.latent_channels
        if latents.ndim != 5 or latents.shape[1] != channels or 0 in latents.shape:
            raise InvalidInput(f"latents must be [B, {channels}, F, H, W], got {list(latents.shape)}")
        slices = (latents,) if self._is_legacy else split_slices(latents, LATENTS_PER_SLICE)
        return self.decode_stream(slices, extra_corner_tile=extra_corner_tile)

    @apply_forward_hook
    def decode_stream(self, slices: Iterable[Tensor], *, extra_corner_tile: bool = False) -> Iterator[Tensor]:
        """Pixels of raw latents that arrive slice by slice, [B, 4, 2, h, w] each, or one frame first.

        Reads one slice ahead, because a slice is decoded with its neighbours; holds three slices at a time.
        """
        for before, part, after in with_neighbours(self.post_quant_conv(part) for part in slices):
            yield self._pixels(before, part, after, extra_corner_tile)

    def _moments(self, frames: Tensor) -> Tensor:
        """[B, 3, F, H, W] of one slice -> [B, 8, F', H / 8, W / 8]."""
        regime = self._regime(frames)

        def run(window: Tensor) -> Tensor:
            return self.quant_conv(self.encoder(window, regime))

        if self.use_tiling and self.encoding_tiles.needed_for(frames):
            return run_tiled(frames, run, self.encoding_tiles)
        return run(frames)

    def _pixels(self, before: Tensor | None, part: Tensor, after: Tensor | None, extra_corner_tile: bool) -> Tensor:
        """[B, 4, F', h, w] of one slice and its neighbours -> [B, 3, F, 8h, 8w]."""
        regime, tiles = self._regime(part), self.decoding_tiles
        lead, trail = (0 if neighbour is None else neighbour.shape[2] for neighbour in (before, after))
        latents = torch.cat([piece for piece in (before, part, after) if piece is not None], dim=2)

        def run(window: Tensor) -> Tensor:
            return self.decoder(window, regime, lead, trail)

        if not (self.use_tiling and tiles.needed_for(latents)):
            return run(latents)
        pixels = run_tiled(latents, run, tiles)
        if extra_corner_tile:
            blend_corner(pixels, run(latents[..., -tiles.window :, -tiles.window :]))
        return pixels

    @property
    def _is_legacy(self) -> bool:
        return not self.config.slice_compression_vae

    def _regime(self, part: Tensor) -> Regime:
        if self._is_legacy:
            return Regime.LEGACY
        return Regime.IMAGE if part.shape[2] == 1 else Regime.SLICE

    def _check_pixels(self, video: Tensor) -> None:
        channels = self.config.in_channels
        if video.ndim != 5 or video.shape[1] != channels or 0 in video.shape:
            raise InvalidInput(f"a video must be [B, {channels}, F, H, W], got {list(video.shape)}")
        height, width = video.shape[3:]
        if height % SPATIAL_FACTOR or width % SPATIAL_FACTOR:
            raise InvalidInput(f"height and width must be multiples of {SPATIAL_FACTOR}, got {height}x{width}")
