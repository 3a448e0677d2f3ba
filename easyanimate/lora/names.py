"""Names of layers in LoRA files: a prefix of the model and the path of the layer, with dots or underscores."""

import re

from torch import nn

from easyanimate.lora.wrappers import unwrapped_path

# A trainer writes `prefix + "_" + path`. The root of the transformer has an empty name, which gives two underscores.
# Other trainers omit it, so both forms are read (spec: transformer 20).
WRITTEN_PREFIX = {"transformer": "lora_unet__", "text_encoder": "lora_te_"}

# kohya, OneTrainer and LyCORIS; a longer prefix comes before its own beginning.
_FLAT_PREFIXES = {
    "lora_unet__orig_mod_": "transformer",
    "lora_unet__": "transformer",
    "lora_unet_": "transformer",
    "lora_transformer__orig_mod_": "transformer",
    "lora_transformer_": "transformer",
    "lycoris_": "transformer",
    "lora_te_": "text_encoder",
}
# PEFT, diffusers and ComfyUI; several may follow each other. Prefixes of wrappers name no model.
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
    """The `path` of a module as LoRA files write it; not reversible, because names contain underscores."""
    return path.replace(".", "_")


def without_dotted_prefix(layer: str) -> tuple[str | None, str]:
    """The model in the dotted prefixes of `layer`, if any, and the rest of the name."""
    model = None
    while prefix := next((candidate for candidate in _DOTTED_PREFIXES if layer.startswith(candidate)), None):
        model, layer = _DOTTED_PREFIXES[prefix] or model, layer.removeprefix(prefix)
    return model, layer


def split_name(layer: str) -> tuple[str, str] | None:
    """The model ("transformer" or "text_encoder") and the flat name of `layer`; None for another model."""
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
    """The path of each linear layer of `model` by its flat name."""
    return {
        flat_name(unwrapped_path(path)): path for path, module in model.named_modules() if isinstance(module, nn.Linear)
    }
