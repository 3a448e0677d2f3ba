"""Methods of other diffusers pipelines: those that work on this one, and hints for the others."""

from collections.abc import Mapping
from typing import Any, NoReturn

from easyanimate.errors import InvalidInput

_LORA = "use 'with easyanimate.lora.applied(pipe, [(file, scale)]):', with files of easyanimate.lora.read_lora"
_CONDITION = "the start image (image=) is the only image that the image encoder reads"
_ATTENTION = "pipe.transformer.set_attention_backend of diffusers chooses the attention kernel"

HINTS: Mapping[str, str] = {
    "load_lora_weights": _LORA,
    "unload_lora_weights": _LORA,
    "set_adapters": _LORA,
    "get_active_adapters": _LORA,
    "get_list_adapters": _LORA,
    "delete_adapters": _LORA,
    "enable_lora": _LORA,
    "disable_lora": _LORA,
    "fuse_lora": _LORA,
    "unfuse_lora": _LORA,
    "save_lora_weights": "training writes LoRAs; see easyanimate.lora",
    "load_textual_inversion": "embeddings of new words are not supported; a LoRA can be used: " + _LORA,
    "unload_textual_inversion": "embeddings of new words are not supported; a LoRA can be used: " + _LORA,
    "load_ip_adapter": _CONDITION,
    "unload_ip_adapter": _CONDITION,
    "set_ip_adapter_scale": _CONDITION,
    "set_attn_processor": _ATTENTION,
    "fuse_qkv_projections": _ATTENTION,
    "unfuse_qkv_projections": _ATTENTION,
}


class NotOffered(InvalidInput, AttributeError):
    """A method of other pipelines that this one does not have. `hasattr` is False for it."""


class DiffusersMethods:
    """Mixin before DiffusionPipeline with methods of other pipelines."""

    vae: Any

    def __getattr__(self, name: str) -> Any:
        """Raises NotOffered, with the replacement, for the methods in HINTS."""
        if name in HINTS:
            raise NotOffered(f"{type(self).__name__} has no {name}: {HINTS[name]}")
        return super().__getattr__(name)  # type: ignore[misc]

    @classmethod
    def from_single_file(cls, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Always raises NotOffered: published models are folders."""
        raise NotOffered(
            f"{cls.__name__} has no from_single_file: a model is a folder of several files; use from_pretrained. "
            "For a file with a part of the weights use easyanimate.lora.overridden"
        )

    def enable_vae_tiling(self) -> None:
        """Encodes and decodes large images in tiles. This is the default unless the model folder says otherwise."""
        self.vae.enable_tiling()

    def disable_vae_tiling(self) -> None:
        """Encodes and decodes images of any size without tiles."""
        self.vae.disable_tiling()

    def enable_vae_slicing(self) -> None:
        """Changes nothing: the VAE always works in slices of 8 frames."""
        self.vae.enable_slicing()

    def disable_vae_slicing(self) -> None:
        """Raises InvalidInput: the VAE always works in slices."""
        self.vae.disable_slicing()
