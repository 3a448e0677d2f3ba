"""Optimizers for the trainable parameters, the learning rate of a step, and gradient clipping."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from easyanimate.training.errors import TrainingError
from easyanimate.training.optimization.muon import Muon
from easyanimate.training.run.configuration import OptimizerSettings

MIN_MATRIX_SIDE = 16  # of the shorter side; smaller matrices get AdamW
# Embeddings and the first and last layers, which get AdamW.
NOT_FOR_MUON = (
    "conv_in.",
    "conv_out.",
    "quant_conv.",
    "pos_embed.",
    "transformer.proj_out.",
    "shared.",
    "embeddings.",
    "table.",
)


def make_optimizers(
    named: Sequence[tuple[str, nn.Parameter]], settings: OptimizerSettings, slow: Mapping[str, float] | None = None
) -> list[Optimizer]:
    """AdamW, or Muon and AdamW. Each parameter is in one optimizer only.

    `slow` maps a word to the factor of the learning rate for parameters whose name contains it. Raises TrainingError if
    no name contains a word.
    """
    slow = slow or {}
    check_words("slow", slow, [name for name, parameter in named if parameter.requires_grad])
    unique = {id(parameter): (name, parameter) for name, parameter in named if parameter.requires_grad}
    matrices: list[tuple[str, nn.Parameter]] = []
    others: list[tuple[str, nn.Parameter]] = []
    for name, parameter in unique.values():
        (matrices if settings.kind == "muon" and _is_matrix(name, parameter) else others).append((name, parameter))
    optimizers: list[Optimizer] = []
    if matrices:
        groups = _groups(matrices, settings.muon_learning_rate, slow)
        optimizers.append(Muon(groups, lr=settings.muon_learning_rate, weight_decay=settings.weight_decay))
    if others:
        groups = _groups(others, settings.learning_rate, slow)
        optimizers.append(
            torch.optim.AdamW(
                groups,
                lr=settings.learning_rate,
                betas=settings.betas,
                eps=settings.epsilon,
                weight_decay=settings.weight_decay,
            )
        )
    return optimizers


def check_words(setting: str, words: Iterable[str], names: Sequence[str]) -> None:
    """Raises TrainingError if none of the parameter `names` contains a word of `setting`."""
    for word in words:
        if not any(word in name for name in names):
            raise TrainingError(f"no parameter to train has {word!r} of {setting} in its name; one is {names[0]}")


def learning_rate_factor(step: int, steps: int, settings: OptimizerSettings) -> float:
    """The factor of the learning rate in this step: warm-up, constant, cosine."""
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    begin = settings.constant * steps
    if step < begin or settings.constant >= 1:
        return warm
    done = (step - begin) / max(steps - begin, 1)
    return warm * (settings.final + (1 - settings.final) * 0.5 * (1 + math.cos(math.pi * done)))


def norm_limit(step: int, norm: float, settings: OptimizerSettings) -> float:
    """The maximum of the gradient norm in this step (spec: transformer 19.3)."""
    if not settings.gradient_norm_rule:
        return settings.max_gradient_norm
    limit = settings.max_gradient_norm * (5 - 4 * min(step, 1000) / 1000)
    if step >= 1000 and norm > 5 * limit:
        limit /= min(norm / limit, 10)
    return limit


def clip_gradients(parameters: Sequence[Tensor], step: int, settings: OptimizerSettings) -> float:
    """Clips the gradients to the limit; returns their norm before."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(grads)
    limit = norm_limit(step, float(norm), settings)
    torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return float(norm)


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    if parameter.ndim < 2 or any(word in f"{name}." for word in NOT_FOR_MUON):
        return False
    return min(parameter.shape[0], parameter[0].numel()) >= MIN_MATRIX_SIDE


def _groups(named: Sequence[tuple[str, nn.Parameter]], rate: float, slow: Mapping[str, float]) -> list[dict[str, Any]]:
    """Parameter groups by learning rate; `base_rate` is the rate of a group before the factor of a step."""
    by_share: dict[float, list[nn.Parameter]] = {}
    for name, parameter in named:
        share = next((share for word, share in slow.items() if word in name), 1.0)
        by_share.setdefault(share, []).append(parameter)
    return [
        {"params": parameters, "lr": rate * share, "base_rate": rate * share} for share, parameters in by_share.items()
    ]
