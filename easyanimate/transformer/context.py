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


def without_masked(context: Tensor, context_bias: Tensor) -> tuple[Tensor, Tensor | None]:
    """The `context` [B, L, D] and its bias [B, 1, L] without the tokens that are masked in each row.

    The bias is None if all other tokens are visible. A row without a visible token attends to all of its tokens, so
    nothing is left out then. Waits for the device. On the meta device, which has no values, nothing changes.
    """
    if context_bias.is_meta:
        return context, context_bias
    bias = context_bias[:, 0].cpu()
    needed = (bias > _MASKED).any(dim=0)
    if not (bias == 0).any(dim=1).all():
        return context, context_bias
    if needed.all():
        return context, context_bias if bias.any() else None
    kept = needed.nonzero()[:, 0].to(context.device)
    return context[:, kept], context_bias[:, :, kept] if bias[:, needed].any() else None


def _full(tokens: Tensor) -> Tensor:
    return torch.ones_like(tokens[..., 0])
