"""Training of the Slice VAE on the reconstruction of clips (spec: Slice VAE 14)."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from easyanimate.training.data.choose_source import choose_source
from easyanimate.training.data.masks import mask_middle, random_condition_frames
from easyanimate.training.data.sources import Source, choose_kind
from easyanimate.training.losses.adversary import AdversarialLoss
from easyanimate.training.losses.anchor import AnchorEncoder
from easyanimate.training.losses.perceptual import PerceptualLoss
from easyanimate.training.optimization.randomness import generator_at, random_at
from easyanimate.training.tasks.task import Losses, TaskContext
from easyanimate.training.tasks.vae_settings import VaeTrainingSettings
from easyanimate.vae import AutoencoderKLSlice
from easyanimate.vae.layers import Downsampler, ResidualBlock, TemporalConv3d, Upsampler

INITIAL_LOG_VARIANCE = -5.0  # of a new posterior; with more noise the first reconstructions are very slow to learn


class VaeTraining(nn.Module):
    """The VAE, its loss, and its discriminators if the settings have some."""

    def __init__(self, vae: AutoencoderKLSlice, settings: VaeTrainingSettings) -> None:
        super().__init__()
        self.vae = vae
        self.weights, self.latent_noise = settings.loss, settings.latent_noise
        file, discriminators = settings.loss.perceptual_file, settings.adversary
        self.perceptual = PerceptualLoss.load(file) if file and settings.loss.perceptual else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.run.seed)
            self.adversary = AdversarialLoss(discriminators.width, discriminators.weight) if discriminators else None
        self.first = AnchorEncoder(vae) if settings.loss.anchor else None

    def forward(self, batch: dict[str, Tensor]) -> Losses:
        """The losses of a batch: `pixels` [B, 3, F, H, W], `noise` of the shape of the latents, `noise_scale` [B].

        `use_discriminators` is True when the discriminators count.
        """
        pixels = batch["pixels"]
        posterior = self.vae.encode(pixels).latent_dist
        latents = posterior.mean + posterior.std * batch["noise"]
        if self.latent_noise:
            scale = self.latent_noise * batch["noise_scale"][:, None, None, None, None]
            latents = latents.detach() + scale * batch["noise"]
        decoded = self.vae.decode(latents).sample
        absolute, squared = (decoded - pixels).abs().mean(), (decoded - pixels).square().mean()
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        error = self.weights.l1 * absolute + self.weights.l2 * squared + self._perceptual_loss(decoded, pixels)
        error = error + self._first_frame_loss(decoded, pixels)
        loss = error + self.weights.kl * kl
        psnr = -10 * torch.log10(squared.detach() / 4 + 1e-12)
        logged = {"l1": absolute.detach(), "kl": kl.detach(), "psnr": psnr}
        if self.first is not None:
            drift = (posterior.mean - self.first(pixels)).square().mean()
            loss, logged["drift"] = loss + self.weights.anchor * drift, drift.detach()
        if self.adversary is not None and batch["use_discriminators"]:
            generator_loss, own = self.adversary(pixels, decoded, error, self.vae.decoder.conv_out.weight)
            loss = loss + generator_loss + own
            logged |= {"fooled": generator_loss.detach(), "critics": own.detach()}
        return {"loss": loss, **logged}

    def _first_frame_loss(self, decoded: Tensor, pixels: Tensor) -> Tensor | float:
        if not self.weights.first or pixels.shape[2] == 1:
            return 0.0
        error = decoded[:, :, 0] - pixels[:, :, 0]
        return self.weights.first * (self.weights.l1 * error.abs().mean() + self.weights.l2 * error.square().mean())

    def _perceptual_loss(self, decoded: Tensor, pixels: Tensor) -> Tensor | float:
        if self.perceptual is None:
            return 0.0
        frames = (clips.transpose(1, 2).flatten(0, 1) for clips in (decoded, pixels))
        return self.weights.perceptual * self.perceptual(*frames).mean()


class VaeTask:
    """The training task of a VAE."""

    def __init__(self, settings: VaeTrainingSettings, source: Source | None = None) -> None:
        self.settings = settings
        self.source = source or choose_source(settings.data)
        vae = make_training_vae(settings)
        self.network = VaeTraining(vae, settings)
        for part in (vae.encoder, vae.quant_conv):
            part.requires_grad_(not settings.freeze_encoder)

    @property
    def vae(self) -> AutoencoderKLSlice:
        """The trained model."""
        return self.network.vae

    def batch(self, context: TaskContext) -> dict[str, Tensor]:
        """Clips of one kind, some of them masked, and noise for their latents."""
        data = self.settings.data
        kind = choose_kind(data.batches, context.step / context.steps, random_at(*context.shared_key()))
        random, generator = random_at(*context.process_key()), generator_at(*context.process_key())
        pixels = self.source.clips(kind, random).pixels
        frames = pixels.shape[2]
        if frames > 1:
            for clip in pixels:
                _mask(clip, random.random(), data.masked, data.masks, random_condition_frames(frames, random))
        shape, adversary = latent_shape(self.vae, pixels), self.settings.adversary
        return {
            "pixels": pixels,
            "noise": torch.randn(shape, generator=generator),
            "noise_scale": torch.rand(len(pixels), generator=generator),
            "use_discriminators": torch.tensor(
                adversary is not None and context.step >= adversary.after * context.steps
            ),
        }

    @torch.no_grad()
    def sample(self) -> Image.Image:
        """An image with rows of clips and their reconstructions."""
        kind = max(self.settings.data.batches, key=lambda one: one.frames).model_copy(
            update={"batch_size": 4, "crop": None}
        )
        pixels = self.source.clips(kind, random_at("sample", self.settings.run.seed)).pixels
        decoded = self.vae(pixels.to(self.vae.device)).sample.cpu()
        step = max(1, kind.frames // 8)
        rows = torch.stack((pixels, decoded), 1).flatten(0, 1)[:, :, ::step]  # [2B, 3, F, H, W]
        return clip_strip(rows)

    def measure(self) -> dict[str, float]:
        """The mean and the minimum of the PSNR of reconstructed clips in dB."""
        kind = max(self.settings.data.batches, key=lambda one: one.frames).model_copy(
            update={"batch_size": 16, "crop": None}
        )
        pixels = self.source.clips(kind, random_at("measured", self.settings.run.seed)).pixels
        with torch.no_grad():
            decoded = torch.cat([self.vae(clip[None].to(self.vae.device)).sample.cpu() for clip in pixels]).clamp(-1, 1)
        each = -10 * torch.log10((decoded - pixels).square().flatten(1).mean(1) / 4)
        return {"clip_psnr": float(each.mean()), "worst_clip_psnr": float(each.min())}

    def save(self, folder: Path) -> None:
        """Writes the VAE; with `standardise` its latents are standardised first."""
        if self.settings.standardise:
            standardise_latents(self.vae, self._statistics_clips())
        self.vae.save_pretrained(folder)

    def _statistics_clips(self) -> list[Tensor]:
        """Whole clips for the statistics of the latents."""
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
    """The VAE of the settings: loaded from `start`, or new and initialised."""
    if settings.start is not None:
        return AutoencoderKLSlice.from_pretrained(settings.start)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.run.seed)
        vae = AutoencoderKLSlice(**settings.vae)
    initialise_vae(vae)
    return vae


@torch.no_grad()
def initialise_vae(vae: AutoencoderKLSlice) -> None:
    """Sets initial weights from which a small VAE learns much faster.

    The shortcuts past the residual blocks scale the image down and up, the weights of neighbouring frames are small,
    and the posterior has little variance.
    """
    for module in vae.modules():
        if isinstance(module, TemporalConv3d):
            module.weight[:, :, (0, 2)] *= 0.1
        if isinstance(module, ResidualBlock):
            module.conv2.weight.zero_()
            if module.shortcut is not None:
                _add_identity(module.shortcut.weight, 1.0)
        if isinstance(module, Downsampler):
            _add_identity(module.conv.weight[:, :, 1:2, :2, :2], 0.25)
        if isinstance(module, Upsampler):
            _add_identity(module.conv.weight[:, :, 1:2, 1:2, 1:2], 1.0)
    channels, bias = vae.config["latent_channels"], cast(Tensor, vae.quant_conv.bias)
    bias[channels:] = INITIAL_LOG_VARIANCE
    vae.quant_conv.weight[channels:] *= 0.1


def _add_identity(kernel: Tensor, share: float) -> None:
    """Scales a kernel [out, in, ...] by 0.3 and adds `share` where input and output channel are the same."""
    kernel *= 0.3
    outer, inner = kernel.shape[:2]
    for channel in range(max(outer, inner)):
        kernel[channel % outer, channel % inner] += share


@torch.no_grad()
def standardise_latents(vae: AutoencoderKLSlice, clips: list[Tensor]) -> None:
    """Folds mean and deviation of each latent channel into `quant_conv` and `post_quant_conv`.

    The reconstructions stay the same. The latents of `clips` [B, 3, F, H, W] then have mean 0 and deviation 1, and
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


def clip_strip(rows: Tensor) -> Image.Image:
    """An image with a row of frames for each clip [R, 3, F, H, W] in [-1, 1]."""
    pixels = ((rows.clamp(-1, 1) + 1) * 127.5).round().byte()
    r, _, f, h, w = pixels.shape
    return Image.fromarray(np.ascontiguousarray(pixels.permute(0, 3, 2, 4, 1).reshape(r * h, f * w, 3).numpy()))


def _mask(clip: Tensor, number: float, masked: float, masks: float, ends: tuple[int, int]) -> None:
    """Masks the middle of `clip` [3, F, H, W], or replaces it by a mask, if the random `number` in [0, 1) says so."""
    if number < masked:
        mask_middle(clip, ends, value=-1.0)
    elif number < masked + masks:
        clip.fill_(0.0)
        mask_middle(clip, ends, value=1.0)
