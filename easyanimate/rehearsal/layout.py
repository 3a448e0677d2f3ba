"""The published layout, file by file: names, settings, and tensors outside the networks (spec: published).

The test fixtures and the rehearsal at full size use it.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

TEXT_INDEX = "model.safetensors.index.json"
TEXT_PIECES = ("model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors")

# Settings of the weight averaging in training, which the config.json of the published transformer contains.
AVERAGING_SETTINGS: dict[str, Any] = {
    "decay": 0.9999,
    "inv_gamma": 1.0,
    "min_decay": 0.0,
    "optimization_step": 4400,
    "power": 2 / 3,
    "update_after_step": 0,
    "use_ema_warmup": False,
}
# Settings that later releases write, with the values of V3.
NEWER_TRANSFORMER_SETTINGS: dict[str, Any] = {
    "add_noise_in_inpaint_model": False,
    "enable_clip_in_inpaint": True,
    "enable_text_attention_mask": True,
    "enable_zero_in_inpaint": False,
    "position_of_clip_embedding": "head",
    "resize_inpaint_mask_directly": False,
    "some_later_setting": None,
}
NEWER_VAE_SETTINGS: dict[str, Any] = {
    "cache_compression_vae": False,
    "cache_mag_vae": False,
    "num_attention_heads": 1,
    "slice_mag_vae": False,
    "spatial_group_norm": False,
    "upcast_vae": False,
    "use_tiling_decoder": True,
    "use_tiling_encoder": True,
}
MODEL_INDEX: dict[str, Any] = {
    "_diffusers_version": "0.28.2",
    "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    "text_encoder": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "T5Tokenizer"],
    "transformer": ["diffusers", "Transformer3DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
TOKENIZER_SETTINGS: dict[str, dict[str, Any]] = {
    "added_tokens.json": {},
    "special_tokens_map.json": {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
    "tokenizer_config.json": {
        "eos_token": "</s>",
        "extra_ids": 0,
        "legacy": True,
        "model_max_length": 512,
        "pad_token": "<pad>",
        "tokenizer_class": "T5Tokenizer",
        "unk_token": "<unk>",
    },
}
IMAGE_PROCESSOR: dict[str, Any] = {
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
}
# Position tables (0, 1, 2, ...) in both halves of a whole CLIP model.
POSITION_IDS = {
    "text_model.embeddings.position_ids": "text_config",
    "vision_model.embeddings.position_ids": "vision_config",
}


def whole_clip_config(vision: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    """The config.json of a whole CLIP model with these halves, in the long form of older releases."""
    width = vision["projection_dim"]
    return {
        "_commit_hash": None,
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": width,
        "text_config": {**text, "model_type": "clip_text_model", "projection_dim": width},
        "text_config_dict": {**text, "projection_dim": width},
        "torch_dtype": "float32",
        "transformers_version": None,
        "vision_config": {**vision, "model_type": "clip_vision_model"},
        "vision_config_dict": {**vision, "model_type": "clip_vision_model"},
    }


def clip_pickle(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> "OrderedDict[str, Tensor]":
    """The content of `pytorch_model.bin` of a whole CLIP model: `tensors`, and the `position_ids` of both halves."""
    text, vision = config["text_config"], config["vision_config"]
    counts = {
        "text_config": text["max_position_embeddings"],
        "vision_config": (vision["image_size"] // vision["patch_size"]) ** 2 + 1,
    }
    ids = {name: torch.arange(counts[half])[None] for name, half in POSITION_IDS.items()}
    return OrderedDict({**tensors, **ids})


def split_in_pieces(sizes: Mapping[str, int]) -> tuple[list[list[str]], dict[str, Any]]:
    """The tensor names of each piece, about equal in bytes, and the content of the index file."""
    pieces: list[list[str]] = [[] for _ in TEXT_PIECES]
    total, assigned = sum(sizes.values()), 0
    for name, size in sizes.items():
        pieces[min(len(pieces) - 1, assigned * len(pieces) // total)].append(name)
        assigned += size
    weight_map = {name: file for file, names in zip(TEXT_PIECES, pieces, strict=True) for name in names}
    return pieces, {"metadata": {"total_size": total}, "weight_map": weight_map}


def loss_shapes(scale: int = 1) -> dict[str, Sequence[int]]:
    """Shapes of networks of the VAE training that the published VAE file contains: 90 MB at scale 1.

    They are a perceptual network, its linear heads, and a discriminator. Loading ignores them.
    """
    widths = [3, *(width // scale for width in (64, 128, 256, 512, 512))]
    shapes: dict[str, Sequence[int]] = {"loss.logvar": ()}
    for number, (before, after) in enumerate(pairwise(widths), start=1):
        shapes[f"loss.perceptual_loss.net.slice{number}.0.weight"] = (after, before, 3, 3)
        shapes[f"loss.perceptual_loss.net.slice{number}.2.weight"] = (after, after, 3, 3)
        shapes[f"loss.perceptual_loss.lin{number - 1}.model.1.weight"] = (1, after, 1, 1)
    shapes["loss.discriminator.main.0.weight"] = (64 // scale, 3, 4, 4)
    for number, (before, after) in enumerate(((64, 128), (128, 256), (256, 512), (512, 1024)), start=1):
        shapes[f"loss.discriminator.main.{3 * number - 1}.weight"] = (after // scale, before // scale, 4, 4)
    return shapes
