"""The EasyAnimateV3 pipeline with the interface of diffusers: frames of a clip from a prompt, images or a video."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import diffusers
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch import nn

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.arguments import as_flag, check_other_arguments
from easyanimate.pipeline.diffusers_methods import DiffusersMethods
from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.images import Frames, Mask
from easyanimate.pipeline.loading import COMPONENTS, check_components, load_components
from easyanimate.pipeline.output import EasyAnimatePipelineOutput, as_output_type, check_output_type
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.schedulers.schedulers import check_scheduler_unchanged
from easyanimate.pipeline.stages import ClipStages
from easyanimate.pipeline.step_callback import (
    StepCallback,
    prepare_callback,
    prepare_phase_callback,
    running_callback,
)
from easyanimate.weights.checkpoint import check_can_be_saved
from easyanimate.weights.load_arguments import LoadArguments
from easyanimate.weights.model_files import WEIGHTS

# diffusers has another EasyAnimatePipeline, for V5.1; its loader finds this class under this name.
NAME_IN_DIFFUSERS = "EasyAnimateV3Pipeline"


class EasyAnimatePipeline(DiffusersMethods, DiffusionPipeline, ClipStages):
    """Text- and image-to-video with an InP model (spec: pipelines). A call stores nothing on the pipeline.

    `scheduler` exists for diffusers only. Each call builds its own scheduler by name, and refuses a replaced one.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->transformer->vae"
    _callback_tensor_inputs = ("latents", "pred_original_sample")

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
        self._first_scheduler = scheduler  # a replacement would have no effect

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, torch_dtype: torch.dtype | str | Mapping[str, Any] | None = None, **arguments: Any
    ) -> Self:
        """Loads the pipeline of a local folder in the published V3 layout, on the CPU and in float32.

        `torch_dtype` is a dtype, its name, "auto" (the dtype of the transformer's file), or dtypes by component.
        `arguments` are those of diffusers: `dtype` (another name of it), `variant`, `device_map` (one device), and
        components that replace the loaded ones. Arguments of downloads change nothing.
        Raises CheckpointError, which names folder, file and keys, if anything is missing, damaged or does not fit.
        Raises InvalidInput for an argument that is not supported.
        """
        components = {name: arguments.pop(name) for name in COMPONENTS if name in arguments}
        load_arguments = LoadArguments.read({"torch_dtype": torch_dtype, **arguments}, WEIGHTS)
        pipe = cls(**load_components(folder, load_arguments, components))
        return pipe if load_arguments.device is None else pipe.to(load_arguments.device)

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **components: Any) -> Self:
        """Creates a second pipeline with the models of `pipeline`, except `components`. Nothing is copied or converted.

        Raises InvalidInput for a pipeline that lacks a component, and for other arguments.
        """
        if unknown := sorted(components.keys() - set(COMPONENTS)):
            raise InvalidInput(f"from_pipe accepts components only, not {unknown[0]}; the models are shared unchanged")
        merged = {**pipeline.components, **components}
        check_components(components)
        if missing := [name for name in COMPONENTS if merged.get(name) is None]:
            raise InvalidInput(f"{type(pipeline).__name__} has no {missing[0]}; pass it as an argument")
        pipe = cls(**{name: merged[name] for name in COMPONENTS})
        pipe.sequential_guidance = getattr(pipeline, "sequential_guidance", cls.sequential_guidance)
        return pipe

    def save_pretrained(self, folder: str | Path, **kwargs: Any) -> None:
        """Writes the published layout, for `from_pretrained`; `kwargs` are those of diffusers.

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
        quality: str = "exact",
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None = None,
        callback_on_phase: Callable[[str], None] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        **other_arguments: Any,
    ) -> Any:
        """Generates one clip of `num_frames` frames (one frame: an image). The settings are those of `Generation`.

        `generator` is a seed, a CPU generator or a `Draws`. `callback_on_step_end(pipe, index, timestep, {"latents":
        ..., "pred_original_sample": ...})` returns None or a dict; its "latents" replace the current ones.
        "pred_original_sample" is the model's estimate of the clean latents. `callback_on_step_end_tensor_inputs`
        selects the tensors that the callback receives; the default is both. Raising `Interrupted` in the callback stops
        the call. Setting `pipe._interrupt` to True there raises it after the step.
        `callback_on_phase` receives "encoding", "denoising" and, unless `output_type` is "latent", "decoding".
        Returns an EasyAnimatePipelineOutput, or with `return_dict` False the tuple `(frames,)`, without warnings.
        `other_arguments` are arguments of other diffusers pipelines, accepted with values that change nothing.
        Raises InvalidInput for a clip that the model cannot generate, NotFinite for a result with NaN or infinity.
        """
        check_other_arguments(other_arguments)
        return_dict = as_flag(return_dict, "return_dict")
        enter = prepare_phase_callback(callback_on_phase)
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
            quality=quality,
        )
        check_output_type(output_type)
        check_scheduler_unchanged(self._first_scheduler, self.scheduler, request.scheduler)
        output = self._generate(request, Draws.of(generator), callback, enter, output_type)
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
        """Whether the running step callback has set `_interrupt`. Outside a callback it is False."""
        run = running_callback(self)
        return run is not None and run.interrupt

    @property
    def _interrupt(self) -> bool:
        """Alias of `interrupt`; a diffusers callback sets it to True to stop the call."""
        return self.interrupt

    @_interrupt.setter
    def _interrupt(self, value: bool) -> None:
        """Stops the call after this step if set to True. Raises InvalidInput outside a step callback."""
        run = running_callback(self)
        if run is not None:
            run.interrupt = bool(value)
        elif value:
            raise InvalidInput("_interrupt can be set in a step callback only; raise Interrupted there to stop")

    @property
    def num_timesteps(self) -> int | None:
        """The number of steps of the call whose step callback is running; None outside a callback."""
        run = running_callback(self)
        return None if run is None else run.num_timesteps

    @property
    def guidance_scale(self) -> float | None:
        """The guidance scale of the call whose step callback is running; None outside a callback."""
        run = running_callback(self)
        return None if run is None else run.guidance_scale

    @property
    def _guidance_scale(self) -> float | None:
        """Alias of `guidance_scale`; diffusers callbacks read it."""
        return self.guidance_scale

    @_guidance_scale.setter
    def _guidance_scale(self, value: float) -> None:
        """Raises InvalidInput: the guidance scale does not change during a call."""
        raise InvalidInput(f"guidance_scale cannot change to {value} during a call; pass it to the call")


setattr(diffusers, NAME_IN_DIFFUSERS, EasyAnimatePipeline)
