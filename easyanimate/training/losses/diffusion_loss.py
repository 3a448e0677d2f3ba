"""Noise on latents, and the loss of the noise that a model predicts (spec: transformer 19.1)."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

STEPS = 1000
FIRST_BETA, LAST_BETA = 1e-4, 2e-2
MAX_LATENT_STEP = 249  # of the SNR variant: up to this step the loss compares latents instead of noise
EDGE = 0.999  # from this value the outermost of the 256 levels begin


class NoiseSchedule:
    """The tables of 1000 linear betas, each float64 [1000]."""

    def __init__(self) -> None:
        betas = np.linspace(FIRST_BETA, LAST_BETA, STEPS, dtype=np.float64)
        alphas_cumprod = np.cumprod(1 - betas)
        previous = np.append(1.0, alphas_cumprod[:-1])
        variance = betas * (1 - previous) / (1 - alphas_cumprod)
        self.betas = torch.from_numpy(betas)
        self.signal = torch.from_numpy(np.sqrt(alphas_cumprod))
        self.noise = torch.from_numpy(np.sqrt(1 - alphas_cumprod))
        self.log_variance = torch.from_numpy(np.log(np.append(variance[1], variance[1:])))
        self.start_factor = torch.from_numpy(betas * np.sqrt(previous) / (1 - alphas_cumprod))
        self.noisy_factor = torch.from_numpy((1 - previous) * np.sqrt(1 - betas) / (1 - alphas_cumprod))


@cache
def noise_schedule() -> NoiseSchedule:
    """The schedule of V3."""
    return NoiseSchedule()


def add_noise(start: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Adds `noise` to `start`, both [B, ...], at `steps` [B] from 0 to 999."""
    tables = noise_schedule()
    return _entries(tables.signal, steps, start) * start + _entries(tables.noise, steps, start) * noise


def v3_loss(
    output: Tensor, start: Tensor, noise: Tensor, steps: Tensor, *, snr_variant: bool = False
) -> dict[str, Tensor]:
    """The losses `mse`, `vb` and their sum `loss`, each [B], of a model's `output` [B, 2C, ...].

    `start` and `noise` are [B, C, ...]. The variational bound `vb` has a gradient for the predicted variance only.
    """
    estimate, variance = output.chunk(2, dim=1)
    noisy = add_noise(start, noise, steps)
    vb = variational_bound(estimate.detach(), variance, start, noisy, steps)
    error = (noise - estimate).square()
    if snr_variant:
        latent_error = (start - predict_start(noisy, estimate, steps)).square()
        error = torch.where(_expanded(steps <= MAX_LATENT_STEP, error), latent_error, error)
    mse = error.flatten(1).mean(1)
    return {"mse": mse, "vb": vb, "loss": mse + vb}


def noise_loss(
    output: Tensor,
    noise: Tensor,
    steps: Tensor,
    *,
    power: float,
    limits: tuple[float, float],
    frames: Tensor | None = None,
) -> Tensor:
    """The squared error [B] of the noise [B, C, F, h, w] in a model's `output` [B, 2C, F, h, w].

    Its weight is the signal-to-noise ratio to `power`, within `limits`. `frames` [B, F] are relative weights of the
    frames.
    """
    estimate = output[:, : noise.shape[1]]
    tables = noise_schedule()
    ratio = ((tables.signal / tables.noise) ** 2)[steps.cpu()] ** power
    weight = ratio.clamp(*limits).to(noise)
    error = (noise - estimate).square().mean((1, 3, 4))
    if frames is None:
        return weight * error.mean(1)
    return weight * (error * frames).sum(1) / frames.sum(1)


def variational_bound(estimate: Tensor, variance: Tensor, start: Tensor, noisy: Tensor, steps: Tensor) -> Tensor:
    """The KL divergence [B] of the predicted posterior in bits per element; at step 0 the likelihood of `start`."""
    tables = noise_schedule()
    smallest, largest = _entries(tables.log_variance, steps, start), _entries(tables.betas.log(), steps, start)
    share = (variance + 1) / 2
    log_variance = share * largest + (1 - share) * smallest
    mean = _posterior_mean(predict_start(noisy, estimate, steps), noisy, steps)
    true_mean = _posterior_mean(start, noisy, steps)
    kl = 0.5 * (
        log_variance
        - smallest
        + (smallest - log_variance).exp()
        + (true_mean - mean).square() * (-log_variance).exp()
        - 1
    )
    likelihood = -_log_likelihood(start, mean, 0.5 * log_variance)
    bound = torch.where(_expanded(steps == 0, kl), likelihood, kl)
    return bound.flatten(1).mean(1) / math.log(2)


def predict_start(noisy: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """The latents without `noise`."""
    tables = noise_schedule()
    return (noisy - _entries(tables.noise, steps, noisy) * noise) / _entries(tables.signal, steps, noisy)


def _posterior_mean(start: Tensor, noisy: Tensor, steps: Tensor) -> Tensor:
    tables = noise_schedule()
    return _entries(tables.start_factor, steps, start) * start + _entries(tables.noisy_factor, steps, start) * noisy


def _log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-likelihood of `x` in a Gaussian on 256 levels from -1 to 1; the outermost levels extend to infinity."""
    centred, inverse = x - mean, (-log_scale).exp()
    below = _normal_cdf(inverse * (centred - 1 / 255))
    above = _normal_cdf(inverse * (centred + 1 / 255))
    floor = 1e-12
    inner = (above - below).clamp_min(floor).log()
    outer = torch.where(x > EDGE, (1 - below).clamp_min(floor).log(), inner)
    return torch.where(x < -EDGE, above.clamp_min(floor).log(), outer)


def _normal_cdf(x: Tensor) -> Tensor:
    """The cumulative normal distribution, by its tanh approximation."""
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _entries(table: Tensor, steps: Tensor, like: Tensor) -> Tensor:
    """Entries of a table [1000] at `steps` [B], expanded to the dimensions of `like` [B, ...]."""
    return _expanded(table[steps.cpu()].to(like), like)


def _expanded(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
