"""The stages of one clip: encoding, denoising and decoding, as methods over the components of a pipeline.

A call draws its random numbers in this order: initial_noise, mask, masked_video, init_video (only for a strength below
1), the numbers of the scheduler's steps, smoothing (slice by slice).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from easyanimate.pipeline.decoding import decode_pieces, to_uint8
from easyanimate.pipeline.encoder_cache import EncoderCache, Tensors, content_sha256
from easyanimate.pipeline.inputs.conditioning import InpaintInput, prepare_inpaint_input
from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.prompts import TextContext, encode, tokenize
from easyanimate.pipeline.inputs.video_encoding import DrawNoise, encode_video
from easyanimate.pipeline.schedulers.denoise import Conditions, denoise
from easyanimate.pipeline.schedulers.denoising_state import Continuation
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.schedulers.guidance_halves import GuidanceHalves
from easyanimate.pipeline.schedulers.schedulers import check_scheduler_unchanged, make_scheduler, set_timesteps
from easyanimate.pipeline.step_callback import CallbackRun, StepCallback


class ClipStages:
    """The stages of a clip for a class with the components of a pipeline, which decides where these are."""

    tokenizer: Any
    text_encoder: Any
    image_encoder: Any
    image_processor: Any
    vae: Any
    transformer: Any
    scheduler: Any
    sequential_guidance = False  # set once by the memory profile; the frames stay the same
    guidance_halves: GuidanceHalves | None = None  # set once by a program of two processes
    encoder_cache: EncoderCache | None = None  # set once by a program that never writes the weights
    _first_scheduler: Any  # a replacement would have no effect
    _execution_device: Any

    @property
    def models(self) -> tuple[torch.nn.Module, ...]:
        """The networks, which hold all weights."""
        return self.text_encoder, self.image_encoder, self.vae, self.transformer

    def maybe_free_model_hooks(self) -> None:
        """Moves models off the device that are there for one stage only; the name is that of diffusers."""

    @torch.no_grad()
    def make_latents(
        self,
        request: Generation,
        text: TextContext,
        draws: Draws,
        callback: StepCallback | None = None,
        on_denoising: Callable[[], None] | None = None,
        continuation: Continuation | None = None,
    ) -> Tensor:
        """Scaled latents [1, 4, f, h, w] of the clip of `request`, whose prompts are already encoded as `text`.

        `on_denoising` is called between the encoding of the inputs and the first step. A `continuation` resumes from a
        state; `draws` must then have the state of the start of the resumed call. Raises StateMismatch.
        """
        check_scheduler_unchanged(self._first_scheduler, self.scheduler, request.scheduler)
        noise = draws.normal(request.latent_shape(self.vae.config["latent_channels"]), "initial_noise")
        conditions = self.encode(request, text, draws)
        if on_denoising is not None:
            on_denoising()
        return self.denoise(noise, conditions, request, draws, callback, continuation)

    def encode(self, request: Generation, text: TextContext, draws: Draws) -> Conditions:
        """The conditions of the transformer besides the latents. Frees models that are no longer needed."""
        inpaint = prepare_inpaint_input(request)
        image, image_mask = self.encode_image(inpaint.image, rows=text.embeds.shape[0])
        inpaint_latents = self.encode_inpaint_input(inpaint, draws, sample_posterior=request.sample_posterior)
        init_latents = None
        if request.strength < 1:
            slices = inpaint.pixel_slices()
            init_latents = self._encode_video(slices, draws, request.sample_posterior, "init_video")
        self.maybe_free_model_hooks()  # with model offload the VAE would stay on the device beside the transformer
        scales = request.guidance_scale, request.clip_apply_ratio
        return Conditions(text, image, image_mask, inpaint_latents, *scales, init_latents, request.quality)

    @torch.no_grad()
    def encode_text(self, request: Generation) -> TextContext:
        """Encodes the prompts of `request`: one row, or with guidance the negative prompt's and the prompt's."""
        text = self.encode_prompt(request.prompts, clean_caption=request.clean_caption)
        self.maybe_free_model_hooks()  # with model offload T5 would stay on the device beside the VAE
        return text

    def prompt_warnings(self, request: Generation) -> tuple[str, ...]:
        """The parts of the prompts that the model does not read, without encoding them."""
        return tokenize(self.tokenizer, request.prompts, clean_caption=request.clean_caption).warnings

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str] | str, *, clean_caption: bool = True) -> TextContext:
        """Encodes one prompt or several, one row each; with guidance the negative one comes first."""
        tokens = tokenize(self.tokenizer, prompts, clean_caption=clean_caption)
        device = self._execution_device
        content = content_sha256(tokens.ids, tokens.mask), str(device)
        (embeds,) = self._compute_once("text_encoder", content, lambda: encode(self.text_encoder, tokens, device))
        return TextContext(embeds, tokens.mask.to(device), tokens.warnings)

    @torch.no_grad()
    def encode_image(self, image: Image.Image | None, *, rows: int) -> tuple[Tensor, Tensor]:
        """CLIP's embedding [R, E] of the image, and a mask [R, K]: zeros without one and in the negative row."""
        settings = self.transformer.config
        embeds = torch.zeros(rows, settings["clip_embed_dim"], device=self._execution_device)
        mask = torch.zeros(rows, settings["num_clip_tokens"], device=self._execution_device)
        if image is not None:
            pixels = self.image_processor(images=image, return_tensors="pt").pixel_values
            pixels = pixels.to(self._execution_device, self.image_encoder.dtype)
            content = content_sha256(pixels.float()), str(pixels.device)
            (row,) = self._compute_once("image_encoder", content, lambda: (self.image_encoder(pixels).image_embeds[0],))
            embeds[-1] = row
            mask[-1] = 1
        return embeds, mask

    @torch.no_grad()
    def encode_inpaint_input(self, inpaint: InpaintInput, draws: Draws, *, sample_posterior: bool = True) -> Tensor:
        """Latents [1, 8, f, h, w] of the mask and of the masked video."""
        mask = self._encode_video(inpaint.mask_slices(), draws, sample_posterior, "mask")
        masked_video = self._encode_video(inpaint.masked_slices(), draws, sample_posterior, "masked_video")
        return torch.cat([mask, masked_video], dim=1)

    def _encode_video(self, slices: Iterable[Tensor], draws: Draws, sample_posterior: bool, name: str) -> Tensor:
        """Scaled latents [1, 4, f, h, w] of a video in `slices` [1, 3, 8, H, W]."""
        draw_noise = self._posterior_noise(sample_posterior, draws, name)
        return encode_video(self.vae, slices, draw_noise, self._execution_device, self.encoder_cache)

    def _compute_once(self, model: str, content: Hashable, compute: Callable[[], Tensors]) -> Tensors:
        cache = self.encoder_cache
        return compute() if cache is None else cache.get_or_compute(model, content, compute)

    @torch.no_grad()
    def denoise(
        self,
        noise: Tensor,
        conditions: Conditions,
        request: Generation,
        draws: Draws,
        callback: StepCallback | None = None,
        continuation: Continuation | None = None,
    ) -> Tensor:
        """Scaled latents [1, 4, f, h, w], float32, from `noise` of the same shape."""
        device = self._execution_device
        scheduler = make_scheduler(request.scheduler)
        timesteps = set_timesteps(scheduler, request.num_inference_steps, request.strength, device)

        run = CallbackRun(self, len(timesteps), request.guidance_scale)

        def on_step(index: int, timestep: Tensor, latents: Tensor, original: Tensor) -> Tensor:
            if callback is None:
                return latents
            return run(callback, index, timestep, {"latents": latents, "pred_original_sample": original})

        return denoise(
            self.transformer,
            scheduler,
            timesteps,
            noise.to(device),
            conditions,
            generator=draws.generator,
            on_step=on_step,
            sequential_rows=self.sequential_guidance,
            halves=self.guidance_halves,
            continuation=continuation,
        )

    @torch.no_grad()
    def decode_frames(
        self, latents: Tensor, draws: Draws, *, smooth: bool = True, sample_posterior: bool = True
    ) -> Iterator[Tensor]:
        """Frames [F', H, W, 3], uint8 on the CPU, of `latents` [1, 4, f, h, w], a few at a time and in order.

        `draws` are those of the call that generated the latents (for the smoothed seams, see `decode_pieces`).
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

    def _posterior_noise(self, sample_posterior: bool, draws: Draws, name: str) -> DrawNoise | None:
        """Noise on the VAE's device to sample its posterior with, or None for its mean."""
        if not sample_posterior:
            return None
        return lambda shape: draws.normal(shape, name).to(self._execution_device, self.vae.dtype)
