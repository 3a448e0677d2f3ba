"""Networks of a size with random weights, made on the device: no files, and nothing of the size on the host."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from benchmarks.gpu.plans import BenchmarkPlan
from easyanimate.pipeline import ClipPipeline
from easyanimate.pipeline.loading import load_tokenizer
from easyanimate.pipeline.schedulers.schedulers import make_scheduler
from easyanimate.tiny.shipped import SHIPPED
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.vae import AutoencoderKLSlice
from easyanimate.weights.checkpoint import build_empty


def random_network(build: Callable[[], Any], dtype: torch.dtype, device: torch.device, seed: int = 0) -> Any:
    """The network that `build` creates, in evaluation mode, with weights whose products keep the size of values."""
    model: Any = build_empty(build)
    generator = torch.Generator(device).manual_seed(seed)
    made: dict[int, nn.Parameter] = {}  # a tied weight stays one weight
    for module in model.modules():
        for name, empty in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            if id(empty) not in made:
                values = _random(name, empty.shape, dtype, device, generator)
                made[id(empty)] = nn.Parameter(values, requires_grad=False)
            setattr(module, name, made[id(empty)])
    nn.Module.to(model, device)
    return model.eval()


def _random(
    name: str, shape: torch.Size, dtype: torch.dtype, device: torch.device, generator: torch.Generator
) -> Tensor:
    if len(shape) < 2:
        return (torch.zeros if name == "bias" else torch.ones)(shape, dtype=dtype, device=device)
    values = torch.randn(shape, dtype=dtype, device=device, generator=generator)
    return values.mul_(shape[1:].numel() ** -0.5)


def random_transformer(plan: BenchmarkPlan, device: torch.device) -> EasyAnimateTransformer3DModel:
    """A transformer of the plan's size with random weights."""
    return random_network(_transformer_of(plan), plan.dtype, device)


def random_vae(plan: BenchmarkPlan, device: torch.device) -> AutoencoderKLSlice:
    """A VAE of the plan's size with random weights."""
    return random_network(_vae_of(plan), plan.dtype, device)


def empty_transformer(plan: BenchmarkPlan) -> Any:
    """The transformer on the meta device."""
    return nn.Module.to(build_empty(_transformer_of(plan)), "meta", plan.dtype).eval()


def empty_vae(plan: BenchmarkPlan) -> Any:
    """The VAE on the meta device."""
    return nn.Module.to(build_empty(_vae_of(plan)), "meta", plan.dtype).eval()


def _transformer_of(plan: BenchmarkPlan) -> Callable[[], EasyAnimateTransformer3DModel]:
    config = EasyAnimateTransformer3DModel.adapt_config(_settings(plan.size.transformer))
    return lambda: EasyAnimateTransformer3DModel(**config)


def _vae_of(plan: BenchmarkPlan) -> Callable[[], AutoencoderKLSlice]:
    return lambda: AutoencoderKLSlice.from_config(_settings(plan.size.vae))


def random_pipeline(plan: BenchmarkPlan, device: torch.device) -> ClipPipeline:
    """The whole pipeline; its tokenizer is that of the small model, whose tokens the published T5 has too."""
    text = T5Config.from_dict(dict(plan.size.text))
    image = CLIPVisionConfig.from_dict(dict(plan.size.clip_vision))
    side = image.image_size
    return ClipPipeline(
        {
            "tokenizer": load_tokenizer(SHIPPED / "tokenizer"),
            "text_encoder": random_network(lambda: T5EncoderModel(text), plan.dtype, device),
            "image_encoder": random_network(lambda: CLIPVisionModelWithProjection(image), plan.dtype, device),
            "image_processor": CLIPImageProcessorPil(
                size={"shortest_edge": side}, crop_size={"height": side, "width": side}
            ),
            "vae": random_vae(plan, device),
            "transformer": random_transformer(plan, device),
            "scheduler": make_scheduler("euler"),
        }
    )


def random_inputs(model: Any, clip: Any, rows: int, device: torch.device) -> dict[str, Tensor]:
    """The arguments of a call of the transformer for `clip`, with text and an image."""
    config, dtype = model.config, model.dtype
    grid = (clip.num_frames // 4, clip.height // 8, clip.width // 8)
    shapes: dict[str, tuple[int, ...]] = {
        "hidden_states": (rows, 4, *grid),
        "inpaint_latents": (rows, 8, *grid),
        "encoder_hidden_states": (rows, 120, config["caption_channels"]),
        "clip_encoder_hidden_states": (rows, config["clip_embed_dim"]),
    }
    tensors = {name: torch.randn(shape, dtype=dtype, device=device) for name, shape in shapes.items()}
    mask = torch.ones(rows, config["num_clip_tokens"], dtype=dtype, device=device)
    return {**tensors, "clip_attention_mask": mask, "timestep": torch.full((1,), 500.0, device=device).expand(rows)}


def _settings(config: Any) -> dict[str, Any]:
    return {name: value for name, value in config.items() if not name.startswith("_")}
