"""Training of the transformer, and of its encoders if the settings say so (spec: transformer 19)."""

import shutil
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny.shipped import CARD_FILE
from easyanimate.training.data.choose_source import choose_source
from easyanimate.training.data.latent_clips import ClipEncoder, LatentClips, LatentSource
from easyanimate.training.data.sources import Source, choose_kind
from easyanimate.training.losses.diffusion_loss import add_noise, noise_loss, v3_loss
from easyanimate.training.losses.step_sampling import sample_steps
from easyanimate.training.models.attention_choice import attention_backend, checkpoint_function
from easyanimate.training.models.caption_probe import probe_pixels, probe_scenes, word_effects
from easyanimate.training.models.from_pixart import load_pixart_weights
from easyanimate.training.models.text_encoder import reinitialise_parameters
from easyanimate.training.optimization.digests import fixed_settings, settings_digest
from easyanimate.training.optimization.optimizer import check_words
from easyanimate.training.optimization.randomness import generator_at, random_at
from easyanimate.training.tasks.task import Losses, TaskContext
from easyanimate.training.tasks.transformer_settings import LossSettings, TransformerTrainingSettings
from easyanimate.training.tasks.vae_task import clip_strip

MAX_TOKENS = 120


class TransformerTraining(nn.Module):
    """The networks that can be trained, and the loss."""

    def __init__(self, pipe: EasyAnimatePipeline, loss: LossSettings) -> None:
        super().__init__()
        self.transformer, self.text_encoder, self.image_encoder = (
            pipe.transformer,
            pipe.text_encoder,
            pipe.image_encoder,
        )
        self.settings = loss

    def forward(self, batch: dict[str, Tensor]) -> Losses:
        """The losses of a batch.

        `latents` and `noise` are [B, 4, F, h, w], `inpaint_latents` [B, 8, F, h, w]. `input_ids` and `text_mask` are
        [B, L], `images` [B, 3, S, S]. `steps`, `uses_image` and `has_start` are [B].
        """
        noisy = add_noise(batch["latents"], batch["noise"], batch["steps"])
        output = self.predict(noisy, batch)
        if self.settings.kind == "v3":
            parts = v3_loss(
                output, batch["latents"], batch["noise"], batch["steps"], snr_variant=self.settings.snr_variant
            )
            return {
                "loss": parts["loss"].mean(),
                "mse": parts["mse"].mean().detach(),
                "vb": parts["vb"].mean().detach(),
            }
        loss = noise_loss(
            output,
            batch["noise"],
            batch["steps"],
            power=self.settings.snr_power,
            limits=self.settings.snr_limits,
            frames=self._frame_weights(batch),
        )
        return {"loss": loss.mean()}

    def _frame_weights(self, batch: dict[str, Tensor]) -> Tensor | None:
        """Weights of the latent frames [B, F]; None if all are 1."""
        if self.settings.start == 1:
            return None
        weights = torch.ones_like(batch["latents"][:, 0, :, 0, 0])
        weights[:, 0] += (self.settings.start - 1) * batch["has_start"].to(weights)
        return weights

    def predict(self, noisy: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Predicts noise and variance [B, 8, F, h, w] of `noisy` [B, 4, F, h, w]."""
        with attention_backend(noisy.device):
            text = self.text_encoder(batch["input_ids"], attention_mask=batch["text_mask"]).last_hidden_state
            image = self.image_encoder(batch["images"]).image_embeds
            uses_image = batch["uses_image"].to(noisy)[:, None]
            return self.transformer(
                noisy,
                timestep=batch["steps"],
                encoder_hidden_states=text,
                encoder_attention_mask=batch["text_mask"],
                inpaint_latents=batch["inpaint_latents"],
                clip_encoder_hidden_states=image * uses_image,
                clip_attention_mask=uses_image.expand(-1, self.transformer.config["num_clip_tokens"]),
            ).sample


class TransformerTask:
    """The training task of a transformer."""

    def __init__(
        self,
        settings: TransformerTrainingSettings,
        source: Source | None = None,
        process: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        """Moves the VAE to `device`; the training loop moves the trained networks."""
        self.settings = settings
        self.pipe = EasyAnimatePipeline.from_pretrained(settings.model)
        if settings.pixart is not None:
            load_pixart_weights(self.pipe.transformer, settings.pixart)
        reinitialise_parameters(self.pipe.text_encoder, settings.renew_text_encoder, settings.run.seed)
        self.network = TransformerTraining(self.pipe, settings.loss)
        self._choose_trainable()
        if settings.gradient_checkpointing:
            self.pipe.transformer.enable_gradient_checkpointing(checkpoint_function(torch.device(device)))
        self.scale = float(self.pipe.vae.config["scaling_factor"])
        encoder = ClipEncoder(self.pipe.vae.to(device))
        self.clips = LatentSource(source or choose_source(settings.data), encoder, settings.masks, self.preprocess)
        folder = settings.run.output / "remembered" / self._cache_name()
        self.clips.cache(settings.data.batches, folder, settings.run.seed, process)
        self._probe: tuple[Any, dict[str, Tensor]] | None = None

    def _choose_trainable(self) -> None:
        network, words = self.network, self.settings.train
        network.requires_grad_(False)
        if "train" in self.settings.model_fields_set:  # not every model has all parts of the default
            check_words("train", words, [name for name, _ in network.transformer.named_parameters()])
        for name, parameter in network.transformer.named_parameters():
            parameter.requires_grad_(any(word in name for word in words))
        network.text_encoder.requires_grad_(self.settings.train_text_encoder)
        network.image_encoder.requires_grad_(self.settings.train_image_encoder)

    def _cache_name(self) -> str:
        """A name for encoded clips; clips of other settings or of another VAE have another name."""
        settings, vae = self.settings, self.pipe.vae.state_dict()
        values = fixed_settings(settings) | {
            "vae": [[name, float(value.double().sum())] for name, value in vae.items()]
        }
        return settings_digest(
            {name: values[name] for name in values if name.startswith(("run.seed", "data.", "masks.", "vae"))}
        )

    def batch(self, context: TaskContext) -> dict[str, Tensor]:
        """Latents, noise, known frames and captions of one kind of clips."""
        common = random_at(*context.shared_key())
        kind = choose_kind(self.settings.data.batches, context.step / context.steps, common)
        random, generator = random_at(*context.process_key()), generator_at(*context.process_key())
        clips = self.clips.batch(kind, random)
        dropout = self.settings.dropout
        captions = [
            random.choice(dropout.instead) if random.random() < dropout.caption else text for text in clips.captions
        ]
        uses_image = torch.full((len(captions),), float(common.random() >= dropout.image))
        if dropout.image_needs_start:
            uses_image = uses_image * clips.has_start
        return self._inputs(clips, captions, generator) | {"uses_image": uses_image}

    def _inputs(self, clips: LatentClips, captions: list[str], generator: torch.Generator) -> dict[str, Tensor]:
        latents, masks, masked = (
            self._sample_latents(each, generator) for each in (clips.clips, clips.masks, clips.masked)
        )
        tokens = self.pipe.tokenizer(
            captions, padding=True, max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
        )
        return {
            "latents": latents,
            "noise": torch.randn(latents.shape, generator=generator),
            "steps": sample_steps(self.settings.loss.steps, len(latents), generator),
            "inpaint_latents": torch.cat((masks, masked), dim=1),
            "has_start": clips.has_start,
            "input_ids": tokens.input_ids,
            "text_mask": tokens.attention_mask,
            "images": clips.images,
        }

    def _sample_latents(self, posteriors: Tensor, generator: torch.Generator) -> Tensor:
        """Scaled latents [B, C, F, h, w] of posteriors [B, 2, C, F, h, w]."""
        mean, std = posteriors.unbind(1)
        return (mean + std * torch.randn(mean.shape, generator=generator)) * self.scale

    def preprocess(self, frames: Tensor) -> Tensor:
        """The input of the image encoder [B, 3, S, S] for frames [B, 3, H, W] in [-1, 1]."""
        levels = ((frames + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        images = [Image.fromarray(image) for image in levels]
        return self.pipe.image_processor(images=images, return_tensors="pt").pixel_values

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """How much the loss grows when a word of the captions is changed, for each attribute."""
        count = self.settings.probe.clips
        if not count:
            return {}
        if self._probe is None:
            self._probe = self._make_probe(count)
        scenes, batch = self._probe
        effects = word_effects(scenes, lambda captions: self._probe_loss(batch, captions))
        return {f"hears_{name}": effect for name, effect in effects.items()}

    def _make_probe(self, count: int) -> tuple[Any, dict[str, Tensor]]:
        scenes = probe_scenes(count, self.settings.run.seed)
        pixels = probe_pixels(scenes)
        encoder = self.clips.encoder
        clips = LatentClips(
            clips=encoder.encode(pixels),
            masks=encoder.mask((0, 0), *pixels.shape[2:]).expand(count, -1, -1, -1, -1, -1),
            masked=encoder.masked(pixels, (0, 0)),
            images=self.preprocess(pixels[:, :, 0]),
            has_start=torch.zeros(count, dtype=torch.bool),
            captions=(),
        )
        return scenes, self._inputs(clips, [""] * count, generator_at("probe")) | {"uses_image": torch.zeros(count)}

    def _probe_loss(self, batch: dict[str, Tensor], captions: list[str]) -> float:
        tokens = self.pipe.tokenizer(captions, padding=True, return_tensors="pt")
        inputs = {**batch, "input_ids": tokens.input_ids, "text_mask": tokens.attention_mask}
        device, total = self.network.transformer.device, 0.0
        for timestep in self.settings.probe.timesteps:
            inputs["steps"] = torch.full((len(captions),), timestep)
            on_device = {name: value.to(device) for name, value in inputs.items()}
            noisy = add_noise(on_device["latents"], on_device["noise"], on_device["steps"])
            estimate = self.network.predict(noisy, on_device)[:, : noisy.shape[1]]
            total += float((estimate - on_device["noise"]).square().mean())
        return total

    @torch.no_grad()
    def sample(self) -> Image.Image | None:
        """An image with a row of frames for each sample prompt."""
        rows = [self._sample_clip(prompt, seed) for seed, prompt in enumerate(self.settings.sample_prompts)]
        return clip_strip(torch.stack(rows)) if rows else None

    def _sample_clip(self, prompt: str, seed: int) -> Tensor:
        kind = max(self.settings.data.batches, key=lambda kind: min(kind.frames, 16))
        frames = self.pipe(
            prompt,
            height=kind.height,
            width=kind.width,
            num_frames=kind.frames,
            num_inference_steps=10,
            guidance_scale=4.0,
            generator=seed,
            smooth=False,
            output_type="np",
        ).frames
        pixels = torch.from_numpy(frames).reshape(-1, *frames.shape[-3:])[:: max(1, kind.frames // 8)]
        return pixels.permute(3, 0, 1, 2) * 2 - 1

    def save(self, folder: Path) -> None:
        """Writes the whole pipeline, with the card of the model that the training started from."""
        self.pipe.save_pretrained(folder)
        if (self.settings.model / CARD_FILE).is_file():
            shutil.copyfile(self.settings.model / CARD_FILE, folder / CARD_FILE)
