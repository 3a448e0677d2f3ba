"""Noise over latents, and the loss of what a model says of it (spec: transformer 19.1)."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

STEPS = 1000
FIRST_BETA, LAST_BETA = 1e-4, 2e-2
PICTURE_STEPS = 249  # of the SNR variant: up to here pictures are compared
EDGE = 0.999


class NoiseSchedule:
    """The tables of 1000 linear betas, float64 [1000]."""

    def __init__(self) -> None:
        betas = np.linspace(FIRST_BETA, LAST_BETA, STEPS, dtype=np.float64)
        kept = np.cumprod(1 - betas)
        before = np.append(1.0, kept[:-1])
        variance = betas * (1 - before) / (1 - kept)
        self.betas = torch.from_numpy(betas)
        self.signal = torch.from_numpy(np.sqrt(kept))
        self.noise = torch.from_numpy(np.sqrt(1 - kept))
        self.log_variance = torch.from_numpy(np.log(np.append(variance[1], variance[1:])))
        self.of_start = torch.from_numpy(betas * np.sqrt(before) / (1 - kept))
        self.of_noisy = torch.from_numpy((1 - before) * np.sqrt(1 - betas) / (1 - kept))


@cache
def schedule() -> NoiseSchedule:
    """V3's."""
    return NoiseSchedule()


def add_noise(start: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """`start` [B, ...] under `noise` of its shape at `steps` [B], 0 to 999."""
    tables = schedule()
    return _at(tables.signal, steps, start) * start + _at(tables.noise, steps, start) * noise


def v3_loss(
    told: Tensor, start: Tensor, noise: Tensor, steps: Tensor, *, snr_variant: bool = False
) -> dict[str, Tensor]:
    """`mse`, `vb` and their sum `loss`, each [B], of `told` [B, 2C, ...] about `start` [B, C, ...] and its `noise`.

    The variational bound learns from the variance alone: the noise counts as fixed in it.
    """
    estimate, variance = told.chunk(2, dim=1)
    noisy = add_noise(start, noise, steps)
    vb = variational_bound(estimate.detach(), variance, start, noisy, steps)
    error = (noise - estimate).square()
    if snr_variant:
        pictures = (start - start_of(noisy, estimate, steps)).square()
        error = torch.where(_wide(steps <= PICTURE_STEPS, error), pictures, error)
    mse = error.flatten(1).mean(1)
    return {"mse": mse, "vb": vb, "loss": mse + vb}


def noise_loss(
    told: Tensor,
    noise: Tensor,
    steps: Tensor,
    *,
    power: float,
    limits: tuple[float, float],
    frames: Tensor | None = None,
) -> Tensor:
    """[B]: squared error of the noise [B, C, F, h, w], weighted by the signal-to-noise ratio to `power`, within
    `limits`, and frame by frame by `frames` [B, F]; a clip's weights count as shares of their sum."""
    estimate = told[:, : noise.shape[1]]
    tables = schedule()
    ratio = ((tables.signal / tables.noise) ** 2)[steps.cpu()] ** power
    weight = ratio.clamp(*limits).to(noise)
    error = (noise - estimate).square().mean((1, 3, 4))
    if frames is None:
        return weight * error.mean(1)
    return weight * (error * frames).sum(1) / frames.sum(1)


def variational_bound(estimate: Tensor, variance: Tensor, start: Tensor, noisy: Tensor, steps: Tensor) -> Tensor:
    """[B] in bits per element: how far the told posterior is from the true one; at step 0 how likely `start` is."""
    tables = schedule()
    shortest, longest = _at(tables.log_variance, steps, start), _at(tables.betas.log(), steps, start)
    share = (variance + 1) / 2
    log_variance = share * longest + (1 - share) * shortest
    mean = _posterior_mean(start_of(noisy, estimate, steps), noisy, steps)
    true_mean = _posterior_mean(start, noisy, steps)
    kl = 0.5 * (
        log_variance
        - shortest
        + (shortest - log_variance).exp()
        + (true_mean - mean).square() * (-log_variance).exp()
        - 1
    )
    likelihood = -_log_likelihood(start, mean, 0.5 * log_variance)
    bound = torch.where(_wide(steps == 0, kl), likelihood, kl)
    return bound.flatten(1).mean(1) / math.log(2)


def start_of(noisy: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """The latents under `noise`, if that is what it is."""
    tables = schedule()
    return (noisy - _at(tables.noise, steps, noisy) * noise) / _at(tables.signal, steps, noisy)


def _posterior_mean(start: Tensor, noisy: Tensor, steps: Tensor) -> Tensor:
    tables = schedule()
    return _at(tables.of_start, steps, start) * start + _at(tables.of_noisy, steps, start) * noisy


def _log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Of `x` in a Gaussian whose mass lies on 256 levels between -1 and 1; open at both ends."""
    centred, inverse = x - mean, (-log_scale).exp()
    below = _normal_cdf(inverse * (centred - 1 / 255))
    above = _normal_cdf(inverse * (centred + 1 / 255))
    floor = 1e-12
    inner = (above - below).clamp_min(floor).log()
    outer = torch.where(x > EDGE, (1 - below).clamp_min(floor).log(), inner)
    return torch.where(x < -EDGE, above.clamp_min(floor).log(), outer)


def _normal_cdf(x: Tensor) -> Tensor:
    """The tanh approximation."""
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _at(table: Tensor, steps: Tensor, like: Tensor) -> Tensor:
    """Entries of a table [1000] at `steps` [B], to be multiplied with `like` [B, ...]."""
    return _wide(table[steps.cpu()].to(like), like)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
