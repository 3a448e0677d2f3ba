"""Checks the shapes of a forward call; an error names the shape that would fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.transformer.config import INPAINT_CHANNELS, MICRO_CONDITIONED_SIZE


@dataclass(frozen=True)
class TransformerInputs:
    """The tensors of one forward call: `noisy` latents, and `inpaint`, those of mask and masked video."""

    noisy: Tensor
    inpaint: Tensor | None
    timestep: Tensor
    text: Tensor
    text_mask: Tensor | None
    image: Tensor | None
    image_mask: Tensor | None
    resolution: Tensor | None
    aspect_ratio: Tensor | None

    def latents(self) -> Tensor:
        """The noisy latents, then those of mask and masked video: [B, C, F, H, W]."""
        return self.noisy if self.inpaint is None else torch.cat([self.noisy, self.inpaint], dim=1)

    @property
    def shape(self) -> torch.Size:
        """[B, C, F, H, W] of all latents; InvalidInput unless both parts fit."""
        noisy = self.noisy.shape
        if self.noisy.ndim != 5:
            raise InvalidInput(f"latents must be [B, C, F, H, W], got {list(noisy)}")
        if self.inpaint is None:
            return noisy
        _expect("inpaint_latents", self.inpaint, [noisy[0], *self.inpaint.shape[1:2], *noisy[2:]])
        return torch.Size((noisy[0], noisy[1] + self.inpaint.shape[1], *noisy[2:]))

    def check(self, config: Mapping[str, Any], max_frames: int) -> None:
        """Raises InvalidInput for inputs that a model of `config` does not support (spec: transformer 3)."""
        self._check_latents(config, max_frames)
        batch = self.noisy.shape[0]
        _expect("timestep", self.timestep, [batch])
        tokens = self.text.shape[1] if self.text.ndim == 3 else "Lt"
        _expect("encoder_hidden_states", self.text, [batch, tokens, config["caption_channels"]])
        _expect("encoder_attention_mask", self.text_mask, [batch, tokens])
        self._check_image(config, batch)
        self._check_micro_conditions(config, batch)

    def _check_latents(self, config: Mapping[str, Any], max_frames: int) -> None:
        _, channels, frames, height, width = self.shape
        if channels != config["in_channels"]:
            raise InvalidInput(
                f"hidden_states and inpaint_latents must have {config['in_channels']} channels together, got {channels}"
            )
        patch = config["patch_size"]
        if height % patch or width % patch:
            raise InvalidInput(f"latent height and width must be multiples of {patch}, got {height}x{width}")
        if frames > max_frames:
            raise InvalidInput(f"this model supports at most {max_frames} latent frames, got {frames}")

    def _check_image(self, config: Mapping[str, Any], batch: int) -> None:
        if self.image is None:
            return
        if config["in_channels"] != INPAINT_CHANNELS:
            raise InvalidInput("clip_encoder_hidden_states need a model of 12 input channels; leave them out")
        vector = self.image[:, 0] if self.image.ndim == 3 and self.image.shape[1] == 1 else self.image
        _expect("clip_encoder_hidden_states", vector, [batch, config["clip_embed_dim"]])
        _expect("clip_attention_mask", self.image_mask, [batch, config["num_clip_tokens"]])

    def _check_micro_conditions(self, config: Mapping[str, Any], batch: int) -> None:
        wanted = config["sample_size"] == MICRO_CONDITIONED_SIZE
        inputs = [value is not None for value in (self.resolution, self.aspect_ratio)]
        if inputs != [wanted, wanted]:
            raise InvalidInput(
                "resolution and aspect_ratio belong to models of sample_size 128, and to those always; "
                f"this one has {config['sample_size']}"
            )
        _expect("resolution", self.resolution, [batch, 2])
        _expect("aspect_ratio", self.aspect_ratio, [batch, 1])


def _expect(name: str, inputs: Tensor | None, shape: list[Any]) -> None:
    if inputs is not None and list(inputs.shape) != shape:
        raise InvalidInput(f"{name} must be {shape}, got {list(inputs.shape)}")
