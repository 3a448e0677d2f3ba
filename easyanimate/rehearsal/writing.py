"""Writes a model with seeded random weights in exactly the published layout, file by file.

    python -m easyanimate.rehearsal.writing FOLDER SIZE

runs it in a separate process, whose memory is freed afterwards, and prints each file of weights.
"""

import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, T5Config, T5EncoderModel

from easyanimate.pipeline.schedulers.schedulers import make_scheduler
from easyanimate.rehearsal.layout import (
    AVERAGING_SETTINGS,
    IMAGE_PROCESSOR,
    MODEL_INDEX,
    NEWER_TRANSFORMER_SETTINGS,
    NEWER_VAE_SETTINGS,
    TEXT_INDEX,
    TEXT_PIECES,
    TOKENIZER_SETTINGS,
    clip_pickle,
    loss_shapes,
    split_in_pieces,
    whole_clip_config,
)
from easyanimate.rehearsal.settings import SIZES, ModelSize
from easyanimate.tiny.tokenizer import make_tokenizer
from easyanimate.transformer import EasyAnimateTransformer3DModel, with_position_tables
from easyanimate.vae import AutoencoderKLSlice

Shapes = Mapping[str, tuple[int, ...]]

_SAFETENSORS = "diffusion_pytorch_model.safetensors"
_SCALE = 0.5  # factor of the usual random weights, so that 28 blocks stay finite in 16 bits


def write_published_folder(folder: Path, size: ModelSize, *, newer: bool, on_file: Callable[[Path], object]) -> None:
    """Writes the model `size` to the new folder `folder`; `on_file` is called after each file of weights.

    `newer` also writes the settings of later releases. The published size needs 8 GB of memory.
    """
    folder.mkdir(parents=True)
    _write_small_files(folder, size)
    _write_transformer(folder / "transformer", size, newer=newer)
    on_file(folder / "transformer" / _SAFETENSORS)
    _write_vae(folder / "vae", size, newer=newer)
    on_file(folder / "vae" / _SAFETENSORS)
    _write_clip(folder / "image_encoder", size)
    on_file(folder / "image_encoder" / "pytorch_model.bin")
    _write_text(folder / "text_encoder", size, on_file)


def random_tensors(shapes: Shapes, dtype: torch.dtype, seed: int) -> dict[str, Tensor]:
    """Random tensors by name and shape: norms are 1, biases 0, others normal, scaled by their number of inputs."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _random(name, shape, dtype, generator) for name, shape in shapes.items()}


def _random(name: str, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=dtype)
    if len(shape) < 2:
        return torch.ones(shape, dtype=dtype)
    inputs = torch.Size(shape[1:]).numel()
    is_table = ("embed" in name and inputs == shape[1] and shape[0] > 10 * shape[1]) or name.startswith("shared")
    spread = 0.5 if is_table else _SCALE / inputs**0.5
    return torch.empty(shape, dtype=dtype).normal_(0, spread, generator=generator)


def _write_small_files(folder: Path, size: ModelSize) -> None:
    """Writes the settings files of the model, tokenizer (without tokenizer.json), image processor and scheduler."""
    for name in ("transformer", "vae", "image_encoder", "text_encoder", "scheduler"):
        (folder / name).mkdir()
    (folder / "README.md").write_text("Random weights in the published layout.\n", encoding="utf-8")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n", encoding="utf-8")
    _write_json(folder / "model_index.json", {"_class_name": "PixArtAlphaPipeline", **MODEL_INDEX})
    make_tokenizer(folder / "tokenizer")
    for name, content in TOKENIZER_SETTINGS.items():
        _write_json(folder / "tokenizer" / name, content)
    side = size.clip_vision["image_size"]
    processor = {**IMAGE_PROCESSOR, "crop_size": {"height": side, "width": side}, "size": {"shortest_edge": side}}
    _write_json(folder / "image_encoder" / "preprocessor_config.json", processor)
    make_scheduler("dpmpp_2m").save_config(folder / "scheduler")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _shapes(build: Callable[[], torch.nn.Module]) -> dict[str, tuple[int, ...]]:
    with init_empty_weights():
        return {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}


def _write_transformer(folder: Path, size: ModelSize, *, newer: bool) -> None:
    """Writes the transformer in float32, with the tables of frame positions."""
    config = {**size.transformer, **AVERAGING_SETTINGS, **(NEWER_TRANSFORMER_SETTINGS if newer else {})}
    _write_json(folder / "config.json", config)
    build: Any = EasyAnimateTransformer3DModel.from_config
    settings = EasyAnimateTransformer3DModel.adapt_config(
        {name: value for name, value in size.transformer.items() if not name.startswith("_")}
    )
    tensors = random_tensors(_shapes(lambda: build(settings)), torch.float32, seed=1)
    save_file(with_position_tables(tensors, size.transformer), folder / _SAFETENSORS)


def _write_vae(folder: Path, size: ModelSize, *, newer: bool) -> None:
    """Writes the VAE in float32, with the networks of its training."""
    _write_json(folder / "config.json", {**size.vae, **(NEWER_VAE_SETTINGS if newer else {})})
    shapes = _shapes(lambda: AutoencoderKLSlice.from_config(size.vae))
    extra = {name: tuple(shape) for name, shape in loss_shapes(size.loss_scale).items()}
    save_file(random_tensors({**shapes, **extra}, torch.float32, seed=2), folder / _SAFETENSORS)


def _write_clip(folder: Path, size: ModelSize) -> None:
    """Writes a whole CLIP model in float32, as a pickle with `position_ids` in both halves."""
    config = whole_clip_config(size.clip_vision, size.clip_text)
    _write_json(folder / "config.json", config)
    tensors = random_tensors(_shapes(lambda: CLIPModel(CLIPConfig.from_dict(config))), torch.float32, seed=3)
    torch.save(OrderedDict(clip_pickle(tensors, config)), folder / "pytorch_model.bin")


def _write_text(folder: Path, size: ModelSize, on_file: Callable[[Path], object]) -> None:
    """Writes T5 in float16 as two pieces with the variant in their names, and an index file without it."""
    _write_json(folder / "config.json", size.text)
    shapes = _shapes(lambda: T5EncoderModel(T5Config.from_dict(dict(size.text))))
    shapes.pop("encoder.embed_tokens.weight", None)  # one tensor with two names
    pieces, index = split_in_pieces({name: 2 * torch.Size(shape).numel() for name, shape in shapes.items()})
    for seed, (file, names) in enumerate(zip(TEXT_PIECES, pieces, strict=True), start=4):
        save_file(random_tensors({name: shapes[name] for name in names}, torch.float16, seed), folder / file)
        on_file(folder / file)
    _write_json(folder / TEXT_INDEX, index)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write_published_folder(
        target, SIZES[sys.argv[2]], newer=True, on_file=lambda path: sys.stdout.write(f"{path.relative_to(target)}\n")
    )
