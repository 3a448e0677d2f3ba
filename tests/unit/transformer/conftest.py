"""A small transformer with all features on, and inputs for it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from easyanimate.transformer import EasyAnimateTransformer3DModel
from tests.small_transformer import small_config


@pytest.fixture
def config() -> Callable[..., dict[str, Any]]:
    return small_config


@pytest.fixture
def fresh() -> Callable[..., EasyAnimateTransformer3DModel]:
    """Creates small models as they start training: motion, skips and image tokens are zero."""

    def make(**changes: Any) -> EasyAnimateTransformer3DModel:
        torch.manual_seed(0)
        return EasyAnimateTransformer3DModel(**small_config(**changes)).eval()

    return make


@pytest.fixture
def trained(fresh: Callable[..., EasyAnimateTransformer3DModel]) -> Callable[..., EasyAnimateTransformer3DModel]:
    """Creates small models in which each weight has an effect."""

    def make(**changes: Any) -> EasyAnimateTransformer3DModel:
        model = fresh(**changes)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.15)
        return model

    return make


@pytest.fixture
def inputs() -> Callable[..., dict[str, Tensor]]:
    """Creates the arguments of a call: two items, four frames of 8x12 latents, six text tokens, an image."""

    def make(**changes: Any) -> dict[str, Tensor]:
        torch.manual_seed(1)
        return {
            "hidden_states": torch.randn(2, 4, 4, 8, 12),
            "inpaint_latents": torch.randn(2, 8, 4, 8, 12),
            "timestep": torch.tensor([999, 437]),
            "encoder_hidden_states": torch.randn(2, 6, 20),
            "encoder_attention_mask": torch.tensor([[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0]]),
            "clip_encoder_hidden_states": torch.randn(2, 24),
            "clip_attention_mask": torch.tensor([[0.0] * 3, [1.0] * 3]),
        } | changes

    return make
