"""Norms of inference, with the operations that follow them."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easyanimate.transformer.inference.graph import in_block_graph


def modulated(x: Tensor, norm: nn.LayerNorm, shift: Tensor, scale: Tensor) -> Tensor:
    """`norm(x)` of [B, N, D], times `scale`, plus `shift`, both [1 or B, 1, D]; `norm` has no weights."""
    if len(scale) == 1:
        return F.layer_norm(x, norm.normalized_shape, scale.flatten(), shift.flatten(), norm.eps)
    return torch.addcmul(shift, norm(x), scale)


def frames_norm(x: Tensor, norm: nn.GroupNorm, frames: int) -> Tensor:
    """`norm` of each frame of the tokens `x` [B, N, D], in the order of positions: [B, S, F, D]."""
    each = x.view(len(x), frames, -1, x.shape[-1])  # [B, F, S, D]
    if in_block_graph() or (x.device.type == "cpu" and x.dtype != torch.float32):
        return _native(each, norm).transpose(1, 2).contiguous()
    mean = each.unflatten(-1, (norm.num_groups, -1)).mean((2, 4), keepdim=True, dtype=torch.float32)
    if x.dtype == torch.float32:  # a mean far from zero would cost digits of the squares; 16 bits have none to lose
        each = each - mean.expand(-1, -1, -1, -1, each.shape[-1] // norm.num_groups).flatten(-2)
        mean = torch.zeros_like(mean)
    factor, offset = _affine(each, mean, norm)
    out = x.new_empty(len(x), each.shape[2], frames, x.shape[-1])
    torch.addcmul(offset, each, factor, value=_count(each, norm) ** 0.5, out=out.transpose(1, 2))
    return out


def _native(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """The norm of frames [B, F, S, D] by torch's own function, which reads tokens in their order on a CPU."""
    channels_last = x.flatten(0, 1).transpose(1, 2).unsqueeze(-1)
    result: Tensor = norm(channels_last)
    return result.squeeze(-1).transpose(1, 2).reshape(x.shape)


def _affine(x: Tensor, mean: Tensor, norm: nn.GroupNorm) -> tuple[Tensor, Tensor]:
    """Factor and offset [B, F, 1, D], float32: the norm of `x` [B, F, S, D] is offset + sqrt(count) * factor * x.

    `mean` [B, F, 1, G, 1] is that of each group of `x`.
    """
    count = _count(x, norm)
    groups = x.unflatten(-1, (norm.num_groups, -1))  # [B, F, S, G, D / G]
    squares = torch.linalg.vector_norm(groups, dim=(2, 4), keepdim=True, dtype=torch.float32).square_()
    variance = squares.addcmul_(mean, mean, value=-count)  # times count
    weight, bias = (values.view(norm.num_groups, -1) for values in (norm.weight, norm.bias))
    factor = weight * variance.add_(count * norm.eps).rsqrt_()
    offset = torch.addcmul(bias, mean, factor, value=-(count**0.5))
    return factor.flatten(-2), offset.flatten(-2)


def _count(x: Tensor, norm: nn.GroupNorm) -> int:
    """The values in a group of `x` [B, F, S, D]."""
    return x.shape[2] * x.shape[3] // norm.num_groups


def encoded_norm(x: Tensor, norm: nn.LayerNorm, frame_encoding: Tensor | None) -> Tensor:
    """`norm(x)` of [..., F, D], plus `frame_encoding` [F, D]; None adds nothing."""
    if frame_encoding is None:
        return norm(x)
    if in_block_graph() or x.device.type == "cpu":
        return norm(x).add_(frame_encoding)
    return one_pass(x, norm, frame_encoding)


def one_pass(x: Tensor, norm: nn.LayerNorm, frame_encoding: Tensor) -> Tensor:
    """The sum of `norm(x)` [..., F, D] and `frame_encoding` as a group norm with one group for each frame."""
    frames, width = frame_encoding.shape
    weight, bias = norm.weight.repeat(frames), (norm.bias + frame_encoding).flatten()
    return F.group_norm(x.reshape(-1, frames * width), frames, weight, bias, norm.eps).view(x.shape)
