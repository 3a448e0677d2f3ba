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
from easyanimate.pipeline.arguments import as_flag, check_other_arguments, describe
from easyanimate.pipeline.decoding import decode_pieces, to_uint8
from easyanimate.pipeline.diffusers_methods import DiffusersMethods
from easyanimate.pipeline.inputs.conditioning import DrawNoise, InpaintInput, encode_video, prepare_inpaint_input
from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.images import Frames, Mask
from easyanimate.pipeline.inputs.prompts import TextContext, encode, tokenize
from easyanimate.pipeline.loading import COMPONENTS, check_components, load_components
from easyanimate.pipeline.output import EasyAnimatePipelineOutput, as_output_type, check_output_type
from easyanimate.pipeline.schedulers.denoise import Conditions, denoise
from easyanimate.pipeline.schedulers.denoising_state import Continuation
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.schedulers.schedulers import check_scheduler_unchanged, make_scheduler, set_timesteps
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
    sequential_guidance = False  # how, not what: set once at load by the memory profile

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
        components = {name: arguments.pop(name) for name in COMPONENTS if name in arguments}
        load_arguments = LoadArguments.read({"torch_dtype": torch_dtype, **arguments}, WEIGHTS)
        pipe = cls(**load_components(folder, load_arguments, components))
        return pipe if load_arguments.device is None else pipe.to(load_arguments.device)

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **components: Any) -> Self:
        """A second pipeline with the models of `pipeline`, but for the `components`. Nothing is copied or converted.

        Raises InvalidInput for a pipeline that lacks a component, and for other arguments.
        """
        if unknown := sorted(components.keys() - set(COMPONENTS)):
            raise InvalidInput(f"from_pipe accepts components only, not {unknown[0]}; the models are shared unchanged")
        merged = {**pipeline.components, **components}
        check_components(components)
        if missing := [name for name in COMPONENTS if merged.get(name) is None]:
            raise InvalidInput(f"{type(pipeline).__name__} has no {missing[0]}; give it as an argument")
        pipe = cls(**{name: merged[name] for name in COMPONENTS})
        pipe.sequential_guidance = getattr(pipeline, "guidance_in_turn", cls.sequential_guidance)
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
        **other_arguments: Any,
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
        check_other_arguments(other_arguments)
        return_dict = as_flag(return_dict, "return_dict")
        if callback_on_phase is not None and not callable(callback_on_phase):
            raise InvalidInput(f"callback_on_phase must be a function, got {describe(callback_on_phase)}")
        callback = prepare_callback(
            callback_on_step_end, callback_on_step_end_tensor_inputs, self._callback_tensor_inputs
        )
        request = Generation(
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
        check_scheduler_unchanged(self._first_scheduler, self.scheduler, request.scheduler)
        output = self._generate(
            request, Draws.of(generator), callback, callback_on_phase or (lambda phase: None), output_type
        )
        return output if return_dict else (output.frames,)

    def _generate(
        self,
        request: Generation,
        draws: Draws,
        callback: StepCallback | None,
        enter: Callable[[str], None],
        output_type: str,
    ) -> EasyAnimatePipelineOutput:
        try:
            enter("encoding")
            text = self.encode_text(request)
            latents = self.make_latents(request, text, draws, callback, lambda: enter("denoising"))
            if output_type == "latent":
                return EasyAnimatePipelineOutput(latents, text.warnings)
            enter("decoding")
            draw_noise = self._posterior_noise(request.sample_posterior, draws, "smoothing")
            frames = torch.cat([piece.cpu() for piece in self._decode(latents, draw_noise, request.smooth)])
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
        request: Generation,
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
        check_scheduler_unchanged(self._first_scheduler, self.scheduler, request.scheduler)
        noise = draws.normal(request.latent_shape(self.vae.config["latent_channels"]), "initial_noise")
        conditions = self.encode(request, text, draws)
        if on_denoising is not None:
            on_denoising()
        return self.denoise(noise, conditions, request, draws, callback, continuation)

    def encode(self, request: Generation, text: TextContext, draws: Draws) -> Conditions:
        """All that the transformer is told besides the latents, with the parts that are no longer needed let go."""
        inpaint = prepare_inpaint_input(request)
        image, image_mask = self.encode_image(inpaint.image, rows=text.embeds.shape[0])
        inpaint_latents = self.encode_inpaint_input(inpaint, draws, sample_posterior=request.sample_posterior)
        init_latents = None
        if request.strength < 1:
            init_latents = self._encode_video(inpaint.pixels[None], draws, request.sample_posterior, "init_video")
        self.maybe_free_model_hooks()  # where models take turns, the VAE would stay beside the transformer
        return Conditions(
            text, image, image_mask, inpaint_latents, request.guidance_scale, request.clip_apply_ratio, init_latents
        )

    @torch.no_grad()
    def encode_text(self, request: Generation) -> TextContext:
        """The words of `asked`: one row, or with guidance the negative prompt's and the prompt's."""
        text = self.encode_prompt(request.prompts, clean_caption=request.clean_caption)
        self.maybe_free_model_hooks()  # where models take turns, T5 would stay beside the VAE if there is no picture
        return text

    def prompt_warnings(self, request: Generation) -> tuple[str, ...]:
        """What the model will not hear of the prompts, without encoding them."""
        return tokenize(self.tokenizer, request.prompts, clean_caption=request.clean_caption).warnings

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str] | str, *, clean_caption: bool = True) -> TextContext:
        """One row for each prompt, or for a single one; with guidance the negative one comes before the positive."""
        tokens = tokenize(self.tokenizer, prompts, clean_caption=clean_caption)
        return encode(self.text_encoder, tokens, self._execution_device)

    @torch.no_grad()
    def encode_image(self, image: Image.Image | None, *, rows: int) -> tuple[Tensor, Tensor]:
        """CLIP's embedding [R, E] of the picture, and a mask [R, K]: zeros without one and in the negative row."""
        settings = self.transformer.config
        embeds = torch.zeros(rows, settings["clip_embed_dim"], device=self._execution_device)
        mask = torch.zeros(rows, settings["num_clip_tokens"], device=self._execution_device)
        if image is not None:
            pixels = self.image_processor(images=image, return_tensors="pt").pixel_values
            pixels = pixels.to(self._execution_device, self.image_encoder.dtype)
            embeds[-1] = self.image_encoder(pixels).image_embeds[0]
            mask[-1] = 1
        return embeds, mask

    @torch.no_grad()
    def encode_inpaint_input(self, inpaint: InpaintInput, draws: Draws, *, sample_posterior: bool = True) -> Tensor:
        """Latents [1, 8, f, h, w] of the mask and of the masked video."""
        mask = self._encode_video(inpaint.mask_video(), draws, sample_posterior, "mask")
        masked_video = self._encode_video(inpaint.masked_video(), draws, sample_posterior, "masked_video")
        return torch.cat([mask, masked_video], dim=1)

    def _encode_video(self, video: Tensor, draws: Draws, sample_posterior: bool, name: str) -> Tensor:
        """Scaled latents [1, 4, f, h, w] of `video` [1, 3, F, H, W]."""
        draw_noise = self._posterior_noise(sample_posterior, draws, name)
        return encode_video(self.vae, video.to(self._execution_device), draw_noise)

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
        """Scaled latents [1, 4, f, h, w], float32, of `noise` of the same shape."""
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

    def _posterior_noise(self, sample_posterior: bool, draws: Draws, name: str) -> DrawNoise | None:
        """How the VAE's posterior is sampled: by noise on its device, or not at all."""
        if not sample_posterior:
            return None
        return lambda shape: draws.normal(shape, name).to(self._execution_device, self.vae.dtype)


setattr(diffusers, NAME_IN_DIFFUSERS, EasyAnimatePipeline)
