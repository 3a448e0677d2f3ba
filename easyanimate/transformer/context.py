"""The context of all blocks: text tokens, then image tokens, and the mask of its scores."""

import torch
from torch import Tensor

_MASKED = -10000.0  # added to a score: its weight is exactly 0 in every number type (spec: transformer 7)


def join_context(
    text: Tensor, text_mask: Tensor | None, image: Tensor | None, image_mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Context [B, L, D] of `text` [B, Lt, D] and `image` [B, Li, D], and the bias for its scores [B, 1, L].

    Masks [B, Lt] and [B, Li] are 1 at visible tokens; None means that all are visible.
    """
    parts = [(text, text_mask)] if image is None else [(text, text_mask), (image, image_mask)]
    context = torch.cat([tokens for tokens, _ in parts], dim=1)
    mask = torch.cat([_full(tokens) if mask is None else mask.to(tokens) for tokens, mask in parts], dim=1)
    return context, (1 - mask[:, None]) * _MASKED


def _full(tokens: Tensor) -> Tensor:
    return torch.ones_like(tokens[..., 0])
