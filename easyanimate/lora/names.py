"""What a layer is called in a LoRA file: its path with dots turned into underscores, after the model's prefix."""

from torch import nn

# A trainer names by `prefix + "_" + path`; our transformer's root has an empty name, which makes two underscores there.
# Other trainers leave that one out, so both are read (spec: transformer 20).
PREFIXES = {"lora_unet__": "transformer", "lora_unet_": "transformer", "lora_te_": "text_encoder"}
WRITTEN_PREFIX = {"transformer": "lora_unet__", "text_encoder": "lora_te_"}


def flat_name(path: str) -> str:
    """`path` of a module as a LoRA file writes it; one way only, since names hold underscores of their own."""
    return path.replace(".", "_")


def split_name(name: str) -> tuple[str, str] | None:
    """The model ("transformer" or "text_encoder") and the flat name in `name` of a file; none for another model."""
    for prefix, model in PREFIXES.items():
        if name.startswith(prefix):
            return model, name.removeprefix(prefix)
    return None


def linear_paths(model: nn.Module) -> dict[str, str]:
    """The path of every linear layer of `model` by its flat name."""
    return {flat_name(path): path for path, module in model.named_modules() if isinstance(module, nn.Linear)}
