"""The networks for windows of several chains in one batch; a batch of one has the numbers of the service."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.pipeline import ClipStages, Draws, Generation
from easyanimate.pipeline.inputs.prompts import TextContext
from easyanimate.pipeline.schedulers.denoise import Conditions, StepCaches, predict_noise
from easyanimate.pipeline.schedulers.schedulers import make_scheduler, set_timesteps
from easyanimate.vae import smooth_seams
from easyanimate.vae.slices import split_slices

Moments = tuple[Tensor, Tensor]


class LaneNetworks:
    """The networks of `pipe` for N chains with the settings of `request`; each has its own random numbers."""

    def __init__(self, pipe: ClipStages, request: Generation) -> None:
        self.pipe, self.request = pipe, request
        self._constant: dict[tuple[float, ...], Moments] = {}

    def noise(self, draws: Sequence[Draws]) -> Tensor:
        """The first latents [N, 4, f, h, w]."""
        shape = self.request.latent_shape(self.pipe.vae.config["latent_channels"])
        return torch.cat([each.normal(shape, "initial_noise") for each in draws])

    def masks(self, known: Sequence[int], draws: Sequence[Draws], samples: Sequence[bool]) -> Tensor:
        """The latents [N, 4, f, h, w] of masks whose first `known` frames are 0."""
        videos = []
        for count in known:
            videos.append(torch.ones(1, 3, self.request.num_frames, self.request.height, self.request.width))
            videos[-1][:, :, :count] = 0
        return self._sampled(torch.cat(videos), draws, samples)

    def videos(self, pixels: Tensor, draws: Sequence[Draws], samples: Sequence[bool]) -> Tensor:
        """The latents [N, 4, f, h, w] of `pixels` [N, 3, F, H, W] in [-1, 1]."""
        return self._sampled(pixels, draws, samples)

    def images(self, images: Sequence[Image.Image | None]) -> tuple[Tensor, Tensor]:
        """CLIP's embeddings [N, E] and masks [N, K]: zeros without an image."""
        pairs = [self.pipe.encode_image(image, rows=1) for image in images]
        embeds, masks = (torch.cat(each) for each in zip(*pairs, strict=True))
        return embeds, masks

    def denoise(
        self,
        noise: Tensor,
        texts: Sequence[TextContext],
        images: tuple[Tensor, Tensor],
        inpaint: Tensor,
        guidance: Sequence[float],
    ) -> Tensor:
        """Latents [N, 4, f, h, w]. Each of `texts` has a row for the negative prompt and one for the prompt."""
        scheduler = make_scheduler(self.request.scheduler)
        timesteps = set_timesteps(scheduler, self.request.num_inference_steps, 1.0, noise.device)
        conditions = self._conditions(texts, images, inpaint)
        scales, caches = torch.tensor(guidance).view(-1, 1, 1, 1, 1), StepCaches()
        latents = noise.float() * scheduler.init_noise_sigma
        for index, timestep in enumerate(timesteps):
            caches.enter(conditions.plan(len(timesteps)), index)
            both = torch.cat([scheduler.scale_model_input(latents, timestep)] * 2)
            inputs = conditions.at(index, len(timesteps))
            negative, positive = predict_noise(self.pipe.transformer, both, timestep, inputs, caches=caches).chunk(2)
            estimate = negative + scales * (positive - negative)
            latents = scheduler.step(estimate, timestep, latents, return_dict=False)[0]
        return latents

    def decode(self, latents: Tensor, draws: Sequence[Draws], samples: Sequence[bool]) -> Tensor:
        """Frames [N, F, H, W, 3] in [0, 1]."""
        vae = self.pipe.vae
        pieces = (piece.clamp(-1, 1) for piece in vae.decode_slices(latents / vae.config["scaling_factor"]))

        def draw(shape: Sequence[int]) -> Tensor:
            noise = [each.normal((1, *shape[1:]), "smoothing") for each in draws]
            return torch.cat([each * float(samples[i]) for i, each in enumerate(noise)])

        frames = torch.cat([piece.float() / 2 + 0.5 for piece in smooth_seams(pieces, vae, draw)], dim=2)
        return frames.clamp(0, 1).permute(0, 2, 3, 4, 1)

    def _conditions(self, texts: Sequence[TextContext], images: tuple[Tensor, Tensor], inpaint: Tensor) -> Conditions:
        """All negative rows first; the transformer gets no image there."""
        text = TextContext(
            torch.cat([each.embeds[row : row + 1] for row in (0, 1) for each in texts]),
            torch.cat([each.mask[row : row + 1] for row in (0, 1) for each in texts]),
        )
        embeds, masks = (torch.cat([torch.zeros_like(each), each]) for each in images)
        return Conditions(text, embeds, masks, torch.cat([inpaint] * 2), 0.0, self.request.clip_apply_ratio)

    def _sampled(self, videos: Tensor, draws: Sequence[Draws], samples: Sequence[bool]) -> Tensor:
        slices = [self._moments(part) for part in split_slices(videos, FRAMES_PER_SLICE)]
        mean, std = (torch.cat(parts, dim=2) for parts in zip(*slices, strict=True))
        rows = [
            mean[i : i + 1] + std[i : i + 1] * each.normal((1, *mean.shape[1:]), "video") * float(samples[i])
            for i, each in enumerate(draws)
        ]
        return torch.cat(rows) * self.pipe.vae.config["scaling_factor"]

    def _moments(self, part: Tensor) -> Moments:
        """Mean and deviation of slices [N, 3, 8, H, W]. Those whose frames have one value each are encoded once."""
        plain = part[:1, :1, :, :1, :1]
        if not torch.equal(part, plain.expand_as(part)):
            return self._encoded(part)
        key = tuple(plain.flatten().tolist())
        if key not in self._constant:
            self._constant[key] = self._encoded(part[:1])
        mean, std = self._constant[key]
        return mean.expand(len(part), -1, -1, -1, -1), std.expand(len(part), -1, -1, -1, -1)

    def _encoded(self, part: Tensor) -> Moments:
        posterior = self.pipe.vae.encode(part).latent_dist
        return posterior.mode().clone(), posterior.std
