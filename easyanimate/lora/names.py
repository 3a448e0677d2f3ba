"""What a layer is called in a LoRA file: its path after a prefix of the model, with dots or underscores."""

import re

from torch import nn

from easyanimate.lora.wrappers import unwrapped_path

# A trainer names by `prefix + "_" + path`; our transformer's root has an empty name, which makes two underscores there.
# Other trainers leave that one out, so both are read (spec: transformer 20).
WRITTEN_PREFIX = {"transformer": "lora_unet__", "text_encoder": "lora_te_"}

# kohya, OneTrainer and LyCORIS; a longer prefix stands before the one it begins with.
_FLAT_PREFIXES = {
    "lora_unet__orig_mod_": "transformer",
    "lora_unet__": "transformer",
    "lora_unet_": "transformer",
    "lora_transformer__orig_mod_": "transformer",
    "lora_transformer_": "transformer",
    "lycoris_": "transformer",
    "lora_te_": "text_encoder",
}
# PEFT, diffusers and ComfyUI; several may follow each other. Those of wrappers name no model.
_DOTTED_PREFIXES = {
    "base_model.model.": None,
    "module.": None,
    "_orig_mod.": None,
    "model.diffusion_model.": "transformer",
    "diffusion_model.": "transformer",
    "transformer.": "transformer",
    "unet.": "transformer",
    "text_encoder.": "text_encoder",
    "text_encoder_2.": "text_encoder",
    "text_encoder_3.": "text_encoder",
}
_NUMBERED_TEXT_ENCODER = re.compile(r"lora_te\d_(?=encoder_block_)")  # kohya's te3 is the T5 beside two of CLIP
_T5 = "encoder_block_"


def flat_name(path: str) -> str:
    """`path` of a module as a LoRA file writes it; one way only, since names hold underscores of their own."""
    return path.replace(".", "_")


def without_dotted_prefix(layer: str) -> tuple[str | None, str]:
    """The model that the dotted prefixes of `layer` name, if any, and the rest."""
    model = None
    while prefix := next((candidate for candidate in _DOTTED_PREFIXES if layer.startswith(candidate)), None):
        model, layer = _DOTTED_PREFIXES[prefix] or model, layer.removeprefix(prefix)
    return model, layer


def split_name(layer: str) -> tuple[str, str] | None:
    """The model ("transformer" or "text_encoder") and the flat name of `layer` of a file; none for another model."""
    model, rest = without_dotted_prefix(layer)
    name = flat_name(rest.replace(".processor.", ".").replace("._orig_mod.", "."))
    if name.endswith("_to_out"):
        name += "_0"  # diffusers' old attention processors name the list, not its linear layer
    for prefix, named in _FLAT_PREFIXES.items():
        if name.startswith(prefix):
            return named, name.removeprefix(prefix)
    if numbered := _NUMBERED_TEXT_ENCODER.match(name):
        return "text_encoder", name[numbered.end() :]
    if name.startswith("lora_"):
        return None
    return model or ("text_encoder" if name.startswith(_T5) else "transformer"), name


def linear_paths(model: nn.Module) -> dict[str, str]:
    """The path of every linear layer of `model` by its flat name."""
    return {
        flat_name(unwrapped_path(path)): path for path, module in model.named_modules() if isinstance(module, nn.Linear)
    }
