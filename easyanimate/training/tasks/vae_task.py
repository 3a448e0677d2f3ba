"""Training of the Slice VAE: clips through it and back (spec: Slice VAE 14)."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from easyanimate.training.data.choose_source import choose_source
from easyanimate.training.data.first_latents import FirstLatents
from easyanimate.training.data.masks import keep_ends, random_ends
from easyanimate.training.data.sources import Source, choose_kind
from easyanimate.training.losses.adversary import Adversary
from easyanimate.training.losses.perceptual import Perceptual
from easyanimate.training.optimization.randomness import generator_at, random_at
from easyanimate.training.tasks.task import Losses, TaskContext
from easyanimate.training.tasks.vae_settings import VaeTrainingSettings
from easyanimate.vae import AutoencoderKLSlice
from easyanimate.vae.layers import Downsampler, ResidualBlock, TConv, Upsampler

FIRST_LOG_VARIANCE = -5.0  # of a fresh posterior: nearly certain, else noise hides the picture for long


class VaeTraining(nn.Module):
    """The VAE, its loss, and its critics if there are any."""

    def __init__(self, vae: AutoencoderKLSlice, settings: VaeTrainingSettings) -> None:
        super().__init__()
        self.vae = vae
        self.weights, self.latent_noise = settings.loss, settings.latent_noise
        file, critics = settings.loss.perceptual_file, settings.adversary
        self.perceptual = Perceptual.load(file) if file and settings.loss.perceptual else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.run.seed)
            self.adversary = Adversary(critics.width, critics.weight) if critics else None
        self.first = FirstLatents(vae) if settings.loss.anchor else None

    def forward(self, batch: dict[str, Tensor]) -> Losses:
        """`pixels` [B, 3, F, H, W]; `noise`, like the latents, is the posterior's; `spread` [B] of `latent_noise`;
        `criticised` is 1 where the critics count."""
        pixels = batch["pixels"]
        posterior = self.vae.encode(pixels).latent_dist
        latents = posterior.mean + posterior.std * batch["noise"]
        if self.latent_noise:
            spread = self.latent_noise * batch["spread"][:, None, None, None, None]
            latents = latents.detach() + spread * batch["noise"]
        made = self.vae.decode(latents).sample
        absolute, squared = (made - pixels).abs().mean(), (made - pixels).square().mean()
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        error = self.weights.l1 * absolute + self.weights.l2 * squared + self._unlike(made, pixels)
        error = error + self._of_first(made, pixels)
        loss = error + self.weights.kl * kl
        told = {"l1": absolute.detach(), "kl": kl.detach(), "psnr": -10 * torch.log10(squared.detach() / 4 + 1e-12)}
        if self.first is not None:
            drift = (posterior.mean - self.first(pixels)).square().mean()
            loss, told["drift"] = loss + self.weights.anchor * drift, drift.detach()
        if self.adversary is not None and batch["criticised"]:
            fooled, own = self.adversary(pixels, made, error, self.vae.decoder.conv_out.weight)
            loss = loss + fooled + own
            told |= {"fooled": fooled.detach(), "critics": own.detach()}
        return {"loss": loss, **told}

    def _of_first(self, made: Tensor, pixels: Tensor) -> Tensor | float:
        if not self.weights.first or pixels.shape[2] == 1:
            return 0.0
        apart = made[:, :, 0] - pixels[:, :, 0]
        return self.weights.first * (self.weights.l1 * apart.abs().mean() + self.weights.l2 * apart.square().mean())

    def _unlike(self, made: Tensor, pixels: Tensor) -> Tensor | float:
        if self.perceptual is None:
            return 0.0
        frames = (clips.transpose(1, 2).flatten(0, 1) for clips in (made, pixels))
        return self.weights.perceptual * self.perceptual(*frames).mean()


class VaeTask:
    """What the loop needs to train a VAE."""

    def __init__(self, settings: VaeTrainingSettings, source: Source | None = None) -> None:
        self.settings = settings
        self.source = source or choose_source(settings.data)
        vae = make_training_vae(settings)
        self.network = VaeTraining(vae, settings)
        for part in (vae.encoder, vae.quant_conv):
            part.requires_grad_(not settings.freeze_encoder)

    @property
    def vae(self) -> AutoencoderKLSlice:
        """The model that is trained."""
        return self.network.vae

    def batch(self, place: TaskContext) -> dict[str, Tensor]:
        """Clips of one kind, some of them masked, and noise for their posteriors."""
        data = self.settings.data
        kind = choose_kind(data.batches, place.step / place.steps, random_at(*place.of_all()))
        random, generator = random_at(*place.own()), generator_at(*place.own())
        pixels = self.source.clips(kind, random).pixels
        frames = pixels.shape[2]
        if frames > 1:
            for clip in pixels:
                _mask(clip, random.random(), data.masked, data.masks, random_ends(frames, random))
        shape, critics = latent_shape(self.vae, pixels), self.settings.adversary
        return {
            "pixels": pixels,
            "noise": torch.randn(shape, generator=generator),
            "spread": torch.rand(len(pixels), generator=generator),
            "criticised": torch.tensor(critics is not None and place.step >= critics.after * place.steps),
        }

    @torch.no_grad()
    def sample(self) -> Image.Image:
        """Some clips above what comes back of them."""
        kind = max(self.settings.data.batches, key=lambda one: one.frames).model_copy(
            update={"batch_size": 4, "crop": None}
        )
        pixels = self.source.clips(kind, random_at("sample", self.settings.run.seed)).pixels
        again = self.vae(pixels.to(self.vae.device)).sample.cpu()
        step = max(1, kind.frames // 8)
        rows = torch.stack((pixels, again), 1).flatten(0, 1)[:, :, ::step]  # [2B, 3, F, H, W]
        return as_strip(rows)

    def measure(self) -> dict[str, float]:
        """Decibels between clips and what comes back of them: the mean and the worst of some."""
        kind = max(self.settings.data.batches, key=lambda one: one.frames).model_copy(
            update={"batch_size": 16, "crop": None}
        )
        pixels = self.source.clips(kind, random_at("measured", self.settings.run.seed)).pixels
        with torch.no_grad():
            again = torch.cat([self.vae(clip[None].to(self.vae.device)).sample.cpu() for clip in pixels]).clamp(-1, 1)
        each = -10 * torch.log10((again - pixels).square().flatten(1).mean(1) / 4)
        return {"clip_psnr": float(each.mean()), "worst_clip_psnr": float(each.min())}

    def save(self, folder: Path) -> None:
        """The VAE, its latents standardised if asked for."""
        if self.settings.standardise:
            standardise(self.vae, self._some_pixels())
        self.vae.save_pretrained(folder)

    def _some_pixels(self) -> list[Tensor]:
        """Whole clips for statistics."""
        kind = max(self.settings.data.batches, key=lambda one: one.frames).model_copy(
            update={"batch_size": 8, "crop": None}
        )
        return [self.source.clips(kind, random_at("statistics", self.settings.run.seed, i)).pixels for i in range(16)]


def latent_shape(vae: AutoencoderKLSlice, pixels: Tensor) -> tuple[int, ...]:
    """[B, C, F', h, w] of the latents of `pixels` [B, 3, F, H, W]."""
    batch, _, frames, height, width = pixels.shape
    inner = 1 if frames == 1 else frames // vae.temporal_factor
    return batch, vae.config["latent_channels"], inner, height // vae.spatial_factor, width // vae.spatial_factor


def make_training_vae(settings: VaeTrainingSettings) -> AutoencoderKLSlice:
    """The VAE to begin with: from `start`, or fresh and prepared to learn."""
    if settings.start is not None:
        return AutoencoderKLSlice.from_pretrained(settings.start)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.run.seed)
        vae = AutoencoderKLSlice(**settings.vae)
    prepare(vae)
    return vae


@torch.no_grad()
def prepare(vae: AutoencoderKLSlice) -> None:
    """Fresh weights from which a small VAE learns much faster: the path past all blocks begins as a plain shrinking
    and growing of the picture, neighbours in time are quiet, the posterior is nearly certain."""
    for module in vae.modules():
        if isinstance(module, TConv):
            module.weight[:, :, (0, 2)] *= 0.1
        if isinstance(module, ResidualBlock):
            module.conv2.weight.zero_()
            if module.shortcut is not None:
                _lean_on_identity(module.shortcut.weight, 1.0)
        if isinstance(module, Downsampler):
            _lean_on_identity(module.conv.weight[:, :, 1:2, :2, :2], 0.25)
        if isinstance(module, Upsampler):
            _lean_on_identity(module.conv.weight[:, :, 1:2, 1:2, 1:2], 1.0)
    channels, bias = vae.config["latent_channels"], cast(Tensor, vae.quant_conv.bias)
    bias[channels:] = FIRST_LOG_VARIANCE
    vae.quant_conv.weight[channels:] *= 0.1


def _lean_on_identity(kernel: Tensor, share: float) -> None:
    """Quieten a kernel [out, in, ...] and add `share` at every place where a channel meets itself, or its like."""
    kernel *= 0.3
    outer, inner = kernel.shape[:2]
    for channel in range(max(outer, inner)):
        kernel[channel % outer, channel % inner] += share


@torch.no_grad()
def standardise(vae: AutoencoderKLSlice, clips: list[Tensor]) -> None:
    """Fold mean and deviation of each latent channel into the outermost convolutions of the latents.

    The pictures stay the same; the latents of `clips` [B, 3, F, H, W] then have mean 0 and deviation 1, and
    `scaling_factor` is 1.
    """
    latents = torch.cat([vae.encode(pixels.to(vae.device)).latent_dist.mean.flatten(2) for pixels in clips], dim=2)
    channels = latents.shape[1]
    mean, std = latents.transpose(0, 1).flatten(1).mean(1), latents.transpose(0, 1).flatten(1).std(1)
    encode, decode = vae.quant_conv, vae.post_quant_conv
    encode_bias, decode_bias = cast(Tensor, encode.bias), cast(Tensor, decode.bias)
    decode_bias += decode.weight[:, :, 0, 0, 0] @ mean
    decode.weight *= std[None, :, None, None, None]
    encode.weight[:channels] /= std[:, None, None, None, None]
    encode_bias[:channels] = (encode_bias[:channels] - mean) / std
    encode_bias[channels:] -= 2 * std.log()
    vae.register_to_config(scaling_factor=1.0)


def as_strip(rows: Tensor) -> Image.Image:
    """Clips [R, 3, F, H, W] in [-1, 1] as a picture, a row each."""
    pixels = ((rows.clamp(-1, 1) + 1) * 127.5).round().byte()
    r, _, f, h, w = pixels.shape
    return Image.fromarray(np.ascontiguousarray(pixels.permute(0, 3, 2, 4, 1).reshape(r * h, f * w, 3).numpy()))


def _mask(clip: Tensor, luck: float, masked: float, masks: float, ends: tuple[int, int]) -> None:
    """With some luck, only the ends of `clip` [3, F, H, W] stay, or it becomes the video of a mask."""
    if luck < masked:
        keep_ends(clip, ends, other=-1.0)
    elif luck < masked + masks:
        clip.fill_(0.0)
        keep_ends(clip, ends, other=1.0)
