"""The EasyAnimateV3 pipeline: a prompt, and a start image if there is one, to the frames of a clip."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch import Tensor

from easyanimate.pipeline.conditioning import DrawNoise, encode_video, mask_video, masked_video
from easyanimate.pipeline.decoding import decode_pieces, to_uint8
from easyanimate.pipeline.denoise import Conditions, denoise
from easyanimate.pipeline.draws import Draws
from easyanimate.pipeline.generation import Generation
from easyanimate.pipeline.images import StartImage, prepare_start_image
from easyanimate.pipeline.loading import load_components
from easyanimate.pipeline.output import EasyAnimatePipelineOutput, as_output_type, check_output_type
from easyanimate.pipeline.prompts import TextContext, encode, tokenize
from easyanimate.pipeline.schedulers import make_scheduler

StepCallback = Callable[["EasyAnimatePipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor]]


class EasyAnimatePipeline(DiffusionPipeline):
    """Text- and image-to-video with an InP model (spec: pipelines). Nothing of a call is remembered on it.

    `scheduler` is there for diffusers' sake: every call builds its own sampler, by name.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->transformer->vae"
    _callback_tensor_inputs = ("latents",)
    guidance_in_turn = False  # how, not what: set once at load by the memory profile

    def __init__(
        self,
        tokenizer: Any,
        text_encoder: Any,
        image_encoder: Any,
        image_processor: Any,
        vae: Any,
        transformer: Any,
        scheduler: Any,
    ) -> None:
        super().__init__()
        self.register_modules(
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            image_encoder=image_encoder,
            image_processor=image_processor,
            vae=vae,
            transformer=transformer,
            scheduler=scheduler,
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, torch_dtype: torch.dtype = torch.float32) -> Self:
        """The pipeline of a local folder in the published V3 layout, on the CPU.

        Raises CheckpointError, naming folder, file and keys, if anything is missing, damaged or does not fit.
        """
        return cls(**load_components(Path(folder), torch_dtype))

    def save_pretrained(self, folder: str | Path, **kwargs: Any) -> None:
        """Write the published layout, for `from_pretrained`; `kwargs` are diffusers'."""
        super().save_pretrained(str(folder), **kwargs)
        self.image_processor.save_pretrained(str(Path(folder) / "image_encoder"))

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        negative_prompt: str = "",
        *,
        image: Image.Image | None = None,
        height: int,
        width: int,
        num_frames: int,
        num_inference_steps: int = 25,
        guidance_scale: float = 7.0,
        scheduler: str = "euler",
        generator: Draws | torch.Generator | int | None = None,
        clip_apply_ratio: float = 0.5,
        sample_posterior: bool = True,
        smooth: bool = True,
        clean_caption: bool = True,
        image_resample: str = "bicubic",
        callback_on_step_end: StepCallback | None = None,
        callback_on_phase: Callable[[str], None] | None = None,
        output_type: str = "pil",
    ) -> EasyAnimatePipelineOutput:
        """One clip of `num_frames` frames (one: a picture). The settings are those of `Generation`.

        `generator` is a seed, a CPU generator or the draws themselves. `callback_on_step_end(pipe, index, timestep,
        {"latents": ...})` returns a dict, of which "latents" is taken over; raising `Interrupted` there stops.
        `callback_on_phase` hears "encoding", "denoising" and, unless `output_type` is "latent", "decoding".
        Raises InvalidInput for what the model cannot make, NotFinite for a result that is no picture.
        """
        asked = Generation(
            prompt=prompt,
            negative_prompt=negative_prompt,
            image=image,
            height=height,
            width=width,
            num_frames=num_frames,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            scheduler=scheduler,
            clip_apply_ratio=clip_apply_ratio,
            sample_posterior=sample_posterior,
            smooth=smooth,
            clean_caption=clean_caption,
            image_resample=image_resample,
        )
        check_output_type(output_type)
        draws = Draws.of(generator)
        enter = callback_on_phase or (lambda phase: None)
        try:
            enter("encoding")
            noise = draws.normal(asked.latent_shape(self.vae.config["latent_channels"]), "initial_noise")
            conditions = self.encode(asked, draws)
            enter("denoising")
            latents = self.denoise(noise, conditions, asked, draws, callback_on_step_end)
            if output_type == "latent":
                return EasyAnimatePipelineOutput(latents, conditions.text.warnings)
            enter("decoding")
            pieces = self._decode(latents, self._posterior_noise(asked.sample_posterior, draws, "smoothing"), smooth)
            frames = torch.cat([piece.cpu() for piece in pieces])
            return EasyAnimatePipelineOutput(as_output_type(frames, output_type), conditions.text.warnings)
        finally:
            self.maybe_free_model_hooks()

    def encode(self, asked: Generation, draws: Draws) -> Conditions:
        """All that the transformer is told besides the latents, with the parts that are no longer needed let go."""
        start = None
        if asked.image is not None:
            start = prepare_start_image(asked.image, asked.height, asked.width, asked.image_resample)
        prompts = [asked.negative_prompt, asked.prompt] if asked.is_guided else [asked.prompt]
        text = self.encode_prompt(prompts, clean_caption=asked.clean_caption)
        self.maybe_free_model_hooks()  # where models take turns, T5 would stay beside the VAE if there is no picture
        image, image_mask = self.encode_image(start, rows=len(prompts))
        inpaint_latents = self.condition(asked, start, draws)
        self.maybe_free_model_hooks()  # where models take turns, the VAE would stay beside the transformer
        return Conditions(text, image, image_mask, inpaint_latents, asked.guidance_scale, asked.clip_apply_ratio)

    @torch.no_grad()
    def encode_prompt(self, prompts: list[str], *, clean_caption: bool = True) -> TextContext:
        """One row for each prompt; with guidance these are the negative one, then the positive one."""
        tokens = tokenize(self.tokenizer, prompts, clean_caption=clean_caption)
        return encode(self.text_encoder, tokens, self._execution_device)

    @torch.no_grad()
    def encode_image(self, start: StartImage | None, *, rows: int) -> tuple[Tensor, Tensor]:
        """CLIP's embedding [R, E] of the picture, and a mask [R, K]: zeros without one and in the negative row."""
        settings = self.transformer.config
        embeds = torch.zeros(rows, settings["clip_embed_dim"], device=self._execution_device)
        mask = torch.zeros(rows, settings["num_clip_tokens"], device=self._execution_device)
        if start is not None:
            pixels = self.image_processor(images=start.for_clip, return_tensors="pt").pixel_values
            pixels = pixels.to(self._execution_device, self.image_encoder.dtype)
            embeds[-1] = self.image_encoder(pixels).image_embeds[0]
            mask[-1] = 1
        return embeds, mask

    @torch.no_grad()
    def condition(self, asked: Generation, start: StartImage | None, draws: Draws) -> Tensor:
        """Latents [1, 8, f, h, w] of the mask and of the masked video."""
        size = (asked.num_frames, asked.height, asked.width)
        videos = {
            "mask": mask_video(*size, first_is_given=start is not None),
            "masked_video": masked_video(*size, None if start is None else start.pixels),
        }
        latents = [
            encode_video(
                self.vae,
                video.to(self._execution_device),
                self._posterior_noise(asked.sample_posterior, draws, what),
            )
            for what, video in videos.items()
        ]
        return torch.cat(latents, dim=1)

    @torch.no_grad()
    def denoise(
        self,
        noise: Tensor,
        conditions: Conditions,
        asked: Generation,
        draws: Draws,
        callback: StepCallback | None = None,
    ) -> Tensor:
        """Scaled latents [1, 4, f, h, w], float32, of `noise` of the same shape."""
        device = self._execution_device
        sampler = make_scheduler(asked.scheduler)
        sampler.set_timesteps(asked.num_inference_steps, device=device)

        def on_step(index: int, timestep: Tensor, latents: Tensor) -> Tensor:
            if callback is None:
                return latents
            return callback(self, index, timestep, {"latents": latents}).get("latents", latents)

        return denoise(
            self.transformer,
            sampler,
            noise.to(device),
            conditions,
            generator=draws.generator,
            on_step=on_step,
            rows_in_turn=self.guidance_in_turn,
        )

    @torch.no_grad()
    def decode_frames(
        self, latents: Tensor, draws: Draws, *, smooth: bool = True, sample_posterior: bool = True
    ) -> Iterator[Tensor]:
        """Frames [F', H, W, 3], uint8 on the CPU, of `latents` [1, 4, f, h, w], a few at a time and in order.

        `draws` are those of the call that made the latents (for the softened seams, see `decode_pieces`).
        Levels are rounded to the nearest. Memory does not grow with the number of frames.
        """
        draw_noise = self._posterior_noise(sample_posterior, draws, "smoothing")
        try:
            for piece in self._decode(latents, draw_noise, smooth):
                yield to_uint8(piece).cpu()
        finally:
            self.maybe_free_model_hooks()

    def _decode(self, latents: Tensor, draw_noise: DrawNoise | None, smooth: bool) -> Iterator[Tensor]:
        return decode_pieces(self.vae, latents.to(self._execution_device), smooth=smooth, draw_noise=draw_noise)

    def _posterior_noise(self, sample_posterior: bool, draws: Draws, what: str) -> DrawNoise | None:
        """How the VAE's posterior is sampled: by noise on its device, or not at all."""
        if not sample_posterior:
            return None
        return lambda shape: draws.normal(shape, what).to(self._execution_device, self.vae.dtype)
