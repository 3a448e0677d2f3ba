"""The EasyAnimateV3 pipeline: a prompt, and pictures or a video if there are any, to the frames of a clip.

A call draws its random numbers in this order: initial_noise, mask, masked_video, init_video (only for a strength below
1), what the sampler draws in its steps, smoothing (slice by slice).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import diffusers
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch import Tensor, nn

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.arguments import as_flag, check_others, kind
from easyanimate.pipeline.decoding import decode_pieces, to_uint8
from easyanimate.pipeline.diffusers_methods import DiffusersMethods
from easyanimate.pipeline.inputs.conditioning import DrawNoise, KnownPixels, encode_video, known_pixels
from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.images import Frames, Mask
from easyanimate.pipeline.inputs.prompts import TextContext, encode, tokenize
from easyanimate.pipeline.loading import COMPONENTS, check_components, load_components
from easyanimate.pipeline.output import EasyAnimatePipelineOutput, as_output_type, check_output_type
from easyanimate.pipeline.schedulers.denoise import Conditions, denoise
from easyanimate.pipeline.schedulers.denoising_state import Continuation
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.schedulers.schedulers import check_no_other_scheduler, make_scheduler, set_timesteps
from easyanimate.pipeline.step_callback import CallbackRun, StepCallback, prepare_callback, running_callback
from easyanimate.weights.checkpoint import check_can_be_saved
from easyanimate.weights.load_arguments import LoadArguments
from easyanimate.weights.model_files import WEIGHTS

# diffusers has an EasyAnimatePipeline too, for V5.1; under this name its loader finds ours.
NAME_IN_DIFFUSERS = "EasyAnimateV3Pipeline"


class EasyAnimatePipeline(DiffusersMethods, DiffusionPipeline):
    """Text- and image-to-video with an InP model (spec: pipelines). Nothing of a call is remembered on it.

    `scheduler` is there for diffusers' sake: every call builds its own sampler, by name, and refuses another one here.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->transformer->vae"
    _callback_tensor_inputs = ("latents", "pred_original_sample")
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
        self._first_scheduler = scheduler  # another one in its place would have no effect

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, torch_dtype: torch.dtype | str | Mapping[str, Any] | None = None, **arguments: Any
    ) -> Self:
        """The pipeline of a local folder in the published V3 layout, on the CPU and in float32.

        `torch_dtype` is a type, its name, "auto" (that of the transformer's file), or types by component.
        `arguments` are diffusers': `dtype`, another name of it, `variant`, `device_map` (one device), and components
        that are used instead of being loaded. Those of downloads change nothing.
        Raises CheckpointError, naming folder, file and keys, if anything is missing, damaged or does not fit,
        InvalidInput for an argument that cannot be honoured.
        """
        given = {name: arguments.pop(name) for name in COMPONENTS if name in arguments}
        asked = LoadArguments.read({"torch_dtype": torch_dtype, **arguments}, WEIGHTS)
        pipe = cls(**load_components(folder, asked, given))
        return pipe if asked.device is None else pipe.to(asked.device)

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **components: Any) -> Self:
        """A second pipeline with the models of `pipeline`, but for the `components`. Nothing is copied or converted.

        Raises InvalidInput for a pipeline that lacks a component, and for other arguments.
        """
        if odd := sorted(components.keys() - set(COMPONENTS)):
            raise InvalidInput(f"from_pipe takes components, not {odd[0]}; the models are shared as they are")
        parts = {**pipeline.components, **components}
        check_components(components)
        if lacking := [name for name in COMPONENTS if parts.get(name) is None]:
            raise InvalidInput(f"{type(pipeline).__name__} has no {lacking[0]}; give it as an argument")
        pipe = cls(**{name: parts[name] for name in COMPONENTS})
        pipe.guidance_in_turn = getattr(pipeline, "guidance_in_turn", cls.guidance_in_turn)
        return pipe

    def save_pretrained(self, folder: str | Path, **kwargs: Any) -> None:
        """Write the published layout, for `from_pretrained`; `kwargs` are diffusers'.

        Raises InvalidInput while a LoRA is in effect, and for weights that are stored in 8 bits.
        """
        for model in self.components.values():
            if isinstance(model, nn.Module):
                check_can_be_saved(model)
        super().save_pretrained(str(folder), **kwargs)
        self.image_processor.save_pretrained(str(Path(folder) / "image_encoder"))
        index = Path(folder) / "model_index.json"
        names = json.loads(index.read_text(encoding="utf-8")) | {"_class_name": NAME_IN_DIFFUSERS}
        index.write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        negative_prompt: str = "",
        *,
        image: Image.Image | None = None,
        last_image: Image.Image | None = None,
        context_frames: Frames | None = None,
        video: Frames | None = None,
        mask: Mask | None = None,
        strength: float = 1.0,
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
        callback_on_step_end_tensor_inputs: Sequence[str] | None = None,
        callback_on_phase: Callable[[str], None] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        **others: Any,
    ) -> Any:
        """One clip of `num_frames` frames (one: a picture). The settings are those of `Generation`.

        `generator` is a seed, a CPU generator or the draws themselves. `callback_on_step_end(pipe, index, timestep,
        {"latents": ..., "pred_original_sample": ...})` returns None or a dict, of which "latents" is taken over; the
        other is what the model believed the clean latents to be. `callback_on_step_end_tensor_inputs` names those it
        gets, which are both by default. Raising `Interrupted` there stops; setting `pipe._interrupt` to True there
        raises it after the step.
        `callback_on_phase` hears "encoding", "denoising" and, unless `output_type` is "latent", "decoding".
        Returns an EasyAnimatePipelineOutput, or with `return_dict` False the tuple `(frames,)`, without warnings.
        `others` are arguments of other diffusers pipelines, accepted with values that change nothing.
        Raises InvalidInput for what the model cannot make, NotFinite for a result that is no picture.
        """
        check_others(others)
        return_dict = as_flag(return_dict, "return_dict")
        if callback_on_phase is not None and not callable(callback_on_phase):
            raise InvalidInput(f"callback_on_phase must be a function, got {kind(callback_on_phase)}")
        callback = prepare_callback(
            callback_on_step_end, callback_on_step_end_tensor_inputs, self._callback_tensor_inputs
        )
        asked = Generation(
            prompt=prompt,
            negative_prompt=negative_prompt,
            image=image,
            last_image=last_image,
            context_frames=context_frames,
            video=video,
            mask=mask,
            strength=strength,
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
        check_no_other_scheduler(self._first_scheduler, self.scheduler, asked.scheduler)
        made = self._make(asked, Draws.of(generator), callback, callback_on_phase or (lambda phase: None), output_type)
        return made if return_dict else (made.frames,)

    def _make(
        self,
        asked: Generation,
        draws: Draws,
        callback: StepCallback | None,
        enter: Callable[[str], None],
        output_type: str,
    ) -> EasyAnimatePipelineOutput:
        try:
            enter("encoding")
            text = self.encode_text(asked)
            latents = self.make_latents(asked, text, draws, callback, lambda: enter("denoising"))
            if output_type == "latent":
                return EasyAnimatePipelineOutput(latents, text.warnings)
            enter("decoding")
            draw_noise = self._posterior_noise(asked.sample_posterior, draws, "smoothing")
            frames = torch.cat([piece.cpu() for piece in self._decode(latents, draw_noise, asked.smooth)])
            return EasyAnimatePipelineOutput(as_output_type(frames, output_type), text.warnings)
        finally:
            self.maybe_free_model_hooks()

    @property
    def interrupt(self) -> bool:
        """Whether the step callback that asks has set `_interrupt`. Outside a callback it is False."""
        run = running_callback(self)
        return run is not None and run.interrupt

    @property
    def _interrupt(self) -> bool:
        """As a step callback of diffusers stops its call: by setting this to True."""
        return self.interrupt

    @_interrupt.setter
    def _interrupt(self, value: bool) -> None:
        run = running_callback(self)
        if run is not None:
            run.interrupt = bool(value)
        elif value:
            raise InvalidInput("_interrupt can be set in a step callback only; raise Interrupted there to stop")

    @property
    def num_timesteps(self) -> int | None:
        """The number of steps of the call whose step callback asks; None outside a callback."""
        run = running_callback(self)
        return None if run is None else run.num_timesteps

    @property
    def guidance_scale(self) -> float | None:
        """The guidance scale of the call whose step callback asks; None outside a callback."""
        run = running_callback(self)
        return None if run is None else run.guidance_scale

    @property
    def _guidance_scale(self) -> float | None:
        """As diffusers' callbacks read it. It stays the same during a call."""
        return self.guidance_scale

    @_guidance_scale.setter
    def _guidance_scale(self, value: float) -> None:
        raise InvalidInput(f"guidance_scale cannot change to {value} during a call; give it to the call")

    @torch.no_grad()
    def make_latents(
        self,
        asked: Generation,
        text: TextContext,
        draws: Draws,
        callback: StepCallback | None = None,
        on_denoising: Callable[[], None] | None = None,
        continuation: Continuation | None = None,
    ) -> Tensor:
        """Scaled latents [1, 4, f, h, w] of the clip `asked`, whose words are encoded as `text` already.

        `on_denoising` is called between what is given and the first step. A `continuation` goes on from a state; the
        `draws` must then stand where they stood at the start of the call that is continued. Raises StateMismatch.
        """
        check_no_other_scheduler(self._first_scheduler, self.scheduler, asked.scheduler)
        noise = draws.normal(asked.latent_shape(self.vae.config["latent_channels"]), "initial_noise")
        conditions = self.encode(asked, text, draws)
        if on_denoising is not None:
            on_denoising()
        return self.denoise(noise, conditions, asked, draws, callback, continuation)

    def encode(self, asked: Generation, text: TextContext, draws: Draws) -> Conditions:
        """All that the transformer is told besides the latents, with the parts that are no longer needed let go."""
        given = known_pixels(asked)
        image, image_mask = self.encode_image(given.picture, rows=text.embeds.shape[0])
        inpaint_latents = self.condition(given, draws, sample_posterior=asked.sample_posterior)
        init_latents = None
        if asked.strength < 1:
            init_latents = self._encode_video(given.pixels[None], draws, asked.sample_posterior, "init_video")
        self.maybe_free_model_hooks()  # where models take turns, the VAE would stay beside the transformer
        return Conditions(
            text, image, image_mask, inpaint_latents, asked.guidance_scale, asked.clip_apply_ratio, init_latents
        )

    @torch.no_grad()
    def encode_text(self, asked: Generation) -> TextContext:
        """The words of `asked`: one row, or with guidance the negative prompt's and the prompt's."""
        text = self.encode_prompt(asked.prompts, clean_caption=asked.clean_caption)
        self.maybe_free_model_hooks()  # where models take turns, T5 would stay beside the VAE if there is no picture
        return text

    def prompt_warnings(self, asked: Generation) -> tuple[str, ...]:
        """What the model will not hear of the prompts, without encoding them."""
        return tokenize(self.tokenizer, asked.prompts, clean_caption=asked.clean_caption).warnings

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str] | str, *, clean_caption: bool = True) -> TextContext:
        """One row for each prompt, or for a single one; with guidance the negative one comes before the positive."""
        tokens = tokenize(self.tokenizer, prompts, clean_caption=clean_caption)
        return encode(self.text_encoder, tokens, self._execution_device)

    @torch.no_grad()
    def encode_image(self, picture: Image.Image | None, *, rows: int) -> tuple[Tensor, Tensor]:
        """CLIP's embedding [R, E] of the picture, and a mask [R, K]: zeros without one and in the negative row."""
        settings = self.transformer.config
        embeds = torch.zeros(rows, settings["clip_embed_dim"], device=self._execution_device)
        mask = torch.zeros(rows, settings["num_clip_tokens"], device=self._execution_device)
        if picture is not None:
            pixels = self.image_processor(images=picture, return_tensors="pt").pixel_values
            pixels = pixels.to(self._execution_device, self.image_encoder.dtype)
            embeds[-1] = self.image_encoder(pixels).image_embeds[0]
            mask[-1] = 1
        return embeds, mask

    @torch.no_grad()
    def condition(self, given: KnownPixels, draws: Draws, *, sample_posterior: bool = True) -> Tensor:
        """Latents [1, 8, f, h, w] of the mask and of the masked video."""
        mask = self._encode_video(given.mask_video(), draws, sample_posterior, "mask")
        masked_video = self._encode_video(given.masked_video(), draws, sample_posterior, "masked_video")
        return torch.cat([mask, masked_video], dim=1)

    def _encode_video(self, video: Tensor, draws: Draws, sample_posterior: bool, what: str) -> Tensor:
        """Scaled latents [1, 4, f, h, w] of `video` [1, 3, F, H, W]."""
        draw_noise = self._posterior_noise(sample_posterior, draws, what)
        return encode_video(self.vae, video.to(self._execution_device), draw_noise)

    @torch.no_grad()
    def denoise(
        self,
        noise: Tensor,
        conditions: Conditions,
        asked: Generation,
        draws: Draws,
        callback: StepCallback | None = None,
        continuation: Continuation | None = None,
    ) -> Tensor:
        """Scaled latents [1, 4, f, h, w], float32, of `noise` of the same shape."""
        device = self._execution_device
        sampler = make_scheduler(asked.scheduler)
        timesteps = set_timesteps(sampler, asked.num_inference_steps, asked.strength, device)

        run = CallbackRun(self, len(timesteps), asked.guidance_scale)

        def on_step(index: int, timestep: Tensor, latents: Tensor, original: Tensor) -> Tensor:
            if callback is None:
                return latents
            return run(callback, index, timestep, {"latents": latents, "pred_original_sample": original})

        return denoise(
            self.transformer,
            sampler,
            timesteps,
            noise.to(device),
            conditions,
            generator=draws.generator,
            on_step=on_step,
            rows_in_turn=self.guidance_in_turn,
            continuation=continuation,
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


setattr(diffusers, NAME_IN_DIFFUSERS, EasyAnimatePipeline)
