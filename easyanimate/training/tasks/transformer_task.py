"""Training of the transformer, with its encoders if asked for (spec: transformer 19)."""

import shutil
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny.shipped import CARD_FILE
from easyanimate.training.data.choose_source import choose_source
from easyanimate.training.data.latent_clips import LatentClips, LatentSource, VaeReader
from easyanimate.training.data.sources import Source, choose_kind
from easyanimate.training.losses.diffusion_loss import add_noise, noise_loss, v3_loss
from easyanimate.training.losses.step_sampling import sample_steps
from easyanimate.training.models.attention_choice import attention_of, checkpoint_with
from easyanimate.training.models.caption_probe import heard, probe_pixels, probe_scenes
from easyanimate.training.models.from_pixart import start_from_pixart
from easyanimate.training.optimization.digests import facts_of, value_digest
from easyanimate.training.optimization.optimizer import refuse_unknown
from easyanimate.training.optimization.randomness import generator_at, random_at
from easyanimate.training.run.configuration import BatchSettings
from easyanimate.training.run.resume import renew
from easyanimate.training.tasks.task import Losses, TaskContext
from easyanimate.training.tasks.transformer_settings import LossSettings, TransformerTrainingSettings
from easyanimate.training.tasks.vae_task import as_strip

MAX_TOKENS = 120


class TransformerTraining(nn.Module):
    """The networks that may learn, and the loss."""

    def __init__(self, pipe: EasyAnimatePipeline, loss: LossSettings) -> None:
        super().__init__()
        self.transformer, self.text_encoder, self.image_encoder = (
            pipe.transformer,
            pipe.text_encoder,
            pipe.image_encoder,
        )
        self.settings = loss

    def forward(self, batch: dict[str, Tensor]) -> Losses:
        """`latents`, `noise` [B, 4, F, h, w], `given` [B, 8, F, h, w], `steps` [B], `ids`, `text_mask` [B, L],
        `pictures` [B, 3, S, S], `sees` and `has_start` [B]."""
        noisy = add_noise(batch["latents"], batch["noise"], batch["steps"])
        told = self.tell(noisy, batch)
        if self.settings.kind == "v3":
            parts = v3_loss(
                told, batch["latents"], batch["noise"], batch["steps"], snr_variant=self.settings.snr_variant
            )
            return {
                "loss": parts["loss"].mean(),
                "mse": parts["mse"].mean().detach(),
                "vb": parts["vb"].mean().detach(),
            }
        loss = noise_loss(
            told,
            batch["noise"],
            batch["steps"],
            power=self.settings.snr_power,
            limits=self.settings.snr_limits,
            frames=self._weights(batch),
        )
        return {"loss": loss.mean()}

    def _weights(self, batch: dict[str, Tensor]) -> Tensor | None:
        """[B, F]: how much each latent frame counts."""
        if self.settings.start == 1:
            return None
        weights = torch.ones_like(batch["latents"][:, 0, :, 0, 0])
        weights[:, 0] += (self.settings.start - 1) * batch["has_start"].to(weights)
        return weights

    def tell(self, noisy: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Noise and variance [B, 8, F, h, w] of `noisy` [B, 4, F, h, w]."""
        with attention_of(noisy.device):
            text = self.text_encoder(batch["ids"], attention_mask=batch["text_mask"]).last_hidden_state
            image = self.image_encoder(batch["pictures"]).image_embeds
            sees = batch["sees"].to(noisy)[:, None]
            return self.transformer(
                noisy,
                timestep=batch["steps"],
                encoder_hidden_states=text,
                encoder_attention_mask=batch["text_mask"],
                inpaint_latents=batch["given"],
                clip_encoder_hidden_states=image * sees,
                clip_attention_mask=sees.expand(-1, self.transformer.config["num_clip_tokens"]),
            ).sample


class TransformerTask:
    """What the loop needs to train a transformer."""

    def __init__(
        self,
        settings: TransformerTrainingSettings,
        source: Source | None = None,
        process: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        """The VAE goes to `device` at once; what learns goes where the loop puts it."""
        self.settings = settings
        self.pipe = EasyAnimatePipeline.from_pretrained(settings.model)
        if settings.pixart is not None:
            start_from_pixart(self.pipe.transformer, settings.pixart)
        renew(self.pipe.text_encoder, settings.renew_text_encoder, settings.run.seed)
        self.network = TransformerTraining(self.pipe, settings.loss)
        self._choose_trainable()
        if settings.gradient_checkpointing:
            self.pipe.transformer.enable_gradient_checkpointing(checkpoint_with(torch.device(device)))
        self.scale = float(self.pipe.vae.config["scaling_factor"])
        reader = VaeReader(self.pipe.vae.to(device))
        self.clips = LatentSource(source or choose_source(settings.data), reader, settings.masks, self.prepare)
        folder = settings.run.output / "remembered" / self._name_of_clips()
        self.clips.remember(settings.data.batches, folder, settings.run.seed, process)
        self._probe: tuple[Any, dict[str, Tensor]] | None = None

    def _choose_trainable(self) -> None:
        network, words = self.network, self.settings.train
        network.requires_grad_(False)
        if "train" in self.settings.model_fields_set:  # not every model has all parts of the default
            refuse_unknown("train", words, [name for name, _ in network.transformer.named_parameters()])
        for name, parameter in network.transformer.named_parameters():
            parameter.requires_grad_(any(word in name for word in words))
        network.text_encoder.requires_grad_(self.settings.train_text_encoder)
        network.image_encoder.requires_grad_(self.settings.train_image_encoder)

    def _name_of_clips(self) -> str:
        """Clips that were encoded with other settings, or by another VAE, have another name."""
        settings, vae = self.settings, self.pipe.vae.state_dict()
        told = facts_of(settings) | {"vae": [[name, float(value.double().sum())] for name, value in vae.items()]}
        return value_digest(
            {name: told[name] for name in told if name.startswith(("run.seed", "data.", "masks.", "vae"))}
        )

    def batch(self, place: TaskContext) -> dict[str, Tensor]:
        """Latents of one kind of clips, noise, what is given, what is said."""
        common = random_at(*place.of_all())
        kind = choose_kind(self.settings.data.batches, place.step / place.steps, common)
        random, generator = random_at(*place.own()), generator_at(*place.own())
        clips = self.clips.batch(kind, random)
        dropout = self.settings.dropout
        captions = [
            random.choice(dropout.instead) if random.random() < dropout.caption else text for text in clips.captions
        ]
        sees = torch.full((len(captions),), float(common.random() >= dropout.image))
        if dropout.image_needs_start:
            sees = sees * clips.has_start
        return self._inputs(clips, captions, generator) | {"sees": sees}

    def _inputs(self, clips: LatentClips, captions: list[str], generator: torch.Generator) -> dict[str, Tensor]:
        latents, masks, masked = (self._draw(each, generator) for each in (clips.clips, clips.masks, clips.masked))
        tokens = self.pipe.tokenizer(
            captions, padding=True, max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
        )
        return {
            "latents": latents,
            "noise": torch.randn(latents.shape, generator=generator),
            "steps": sample_steps(self.settings.loss.steps, len(latents), generator),
            "given": torch.cat((masks, masked), dim=1),
            "has_start": clips.has_start,
            "ids": tokens.input_ids,
            "text_mask": tokens.attention_mask,
            "pictures": clips.pictures,
        }

    def _draw(self, posteriors: Tensor, generator: torch.Generator) -> Tensor:
        """Scaled latents [B, C, F, h, w] of posteriors [B, 2, C, F, h, w]."""
        mean, std = posteriors.unbind(1)
        return (mean + std * torch.randn(mean.shape, generator=generator)) * self.scale

    def prepare(self, frames: Tensor) -> Tensor:
        """[B, 3, S, S] for the image encoder, of frames [B, 3, H, W] in [-1, 1]."""
        levels = ((frames + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        pictures = [Image.fromarray(picture) for picture in levels]
        return self.pipe.image_processor(images=pictures, return_tensors="pt").pixel_values

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """How well each word is heard, for the log."""
        count = self.settings.probe.clips
        if not count:
            return {}
        if self._probe is None:
            self._probe = self._make_probe(count)
        scenes, batch = self._probe
        return {
            f"hears_{name}": value for name, value in heard(scenes, lambda said: self._probe_loss(batch, said)).items()
        }

    def _make_probe(self, count: int) -> tuple[Any, dict[str, Tensor]]:
        scenes = probe_scenes(count, self.settings.run.seed)
        pixels = probe_pixels(scenes)
        reader = self.clips.reader
        nothing = LatentClips(
            clips=reader.encode(pixels),
            masks=reader.mask((0, 0), *pixels.shape[2:]).expand(count, -1, -1, -1, -1, -1),
            masked=reader.masked(pixels, (0, 0)),
            pictures=self.prepare(pixels[:, :, 0]),
            has_start=torch.zeros(count, dtype=torch.bool),
            captions=(),
        )
        return scenes, self._inputs(nothing, [""] * count, generator_at("probe")) | {"sees": torch.zeros(count)}

    def _probe_loss(self, batch: dict[str, Tensor], captions: list[str]) -> float:
        tokens = self.pipe.tokenizer(captions, padding=True, return_tensors="pt")
        told = {**batch, "ids": tokens.input_ids, "text_mask": tokens.attention_mask}
        device, total = self.network.transformer.device, 0.0
        for timestep in self.settings.probe.timesteps:
            told["steps"] = torch.full((len(captions),), timestep)
            on_device = {name: value.to(device) for name, value in told.items()}
            noisy = add_noise(on_device["latents"], on_device["noise"], on_device["steps"])
            estimate = self.network.tell(noisy, on_device)[:, : noisy.shape[1]]
            total += float((estimate - on_device["noise"]).square().mean())
        return total

    @torch.no_grad()
    def sample(self) -> Image.Image | None:
        """A clip of each sample prompt."""
        rows = [self._clip(prompt, seed) for seed, prompt in enumerate(self.settings.sample_prompts)]
        return as_strip(torch.stack(rows)) if rows else None

    def _clip(self, prompt: str, seed: int) -> Tensor:
        kind = self._longest()
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

    def _longest(self) -> BatchSettings:
        return max(self.settings.data.batches, key=lambda kind: min(kind.frames, 16))

    def save(self, folder: Path) -> None:
        """The whole pipeline as it is now, with the card of the model it began as."""
        self.pipe.save_pretrained(folder)
        if (self.settings.model / CARD_FILE).is_file():
            shutil.copyfile(self.settings.model / CARD_FILE, folder / CARD_FILE)
