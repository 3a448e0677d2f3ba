"""Classifies the entries of a file by the end of their name: part of a LoRA, of another adapter, or neither."""

import re
from collections.abc import Iterable

# kohya and LyCORIS; diffusers; older diffusers; PEFT, with or without the name of the adapter.
_PARTS = {
    "down": r"lora_down\.weight|lora\.down\.weight|lora_linear_layer\.down\.weight|lora_A(\.[^.]+)?\.weight|lora_A",
    "up": r"lora_up\.weight|lora\.up\.weight|lora_linear_layer\.up\.weight|lora_B(\.[^.]+)?\.weight|lora_B",
    "alpha": r"lora[._]alpha",
}
_ENDINGS = {part: re.compile(rf"(?P<layer>.+?)[._]({ending})") for part, ending in _PARTS.items()}
_OTHER_KINDS = {
    "LoHa": r"[._]hada_\w+",
    "LoKr": r"[._]lokr_\w+",
    "DoRA": r"[._](dora_scale|lora_magnitude_vector)",
    "OFT": r"[._](b?oft_\w+|oft_diag|oft_blocks)",
    "IA3": r"[._](ia3_l|on_input)",
    "VeRA": r"[._](vera_lambda_\w+|vera_[AB])",
    "GLoRA": r"^(lora|lycoris)_[^.]*\.[ab][12]\.weight",
    "LoCon with a Tucker core": r"[._]lora_mid\b",
    "LoRA of embeddings": r"[._]lora_embedding_[AB]",
    "LoRA with biases": r"[._](lora_(up|down|[AB](\.[^.]+)?)|lora\.(up|down))\.bias",
    "LyCORIS adapter of whole differences": r"\.(diff|diff_b|w_norm|b_norm)$",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _OTHER_KINDS.items()}
_BASE_LAYER = ".base_layer."  # PEFT's name for a layer inside a LoRA


def split_entry(key: str) -> tuple[str, str] | None:
    """The layer and the part ("down", "up" or "alpha") of `key`; None for other entries."""
    for part, ending in _ENDINGS.items():
        if match := ending.fullmatch(key):
            return match["layer"], part
    return (key.removesuffix(".alpha"), "alpha") if key.endswith(".alpha") else None


def other_kind(key: str) -> str | None:
    """The kind of adapter, such as "LoKr", that `key` belongs to if it is not part of a plain LoRA."""
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.search(key)), None)


def is_adapter(keys: Iterable[str]) -> bool:
    """Whether a file with these entries is a LoRA or another adapter, and not one of whole weights."""
    return any(_is_of_adapter(key) for key in keys)


def unsupported_reason(keys: Iterable[str]) -> str | None:
    """The reason why these entries are not a plain LoRA, with a remedy; None for a plain LoRA."""
    for key in keys:
        if _BASE_LAYER in key:
            return f"is a model that was saved while a LoRA was applied ({key}); save it after the LoRA is removed"
        if kind := other_kind(key):
            return (
                f"is a {kind} ({key}), not a plain LoRA of linear layers; merge it into its model "
                "(LyCORIS: tools/merge.py, PEFT: merge_and_unload) and use that as an override of weights, "
                "or train a plain LoRA"
            )
    return None


def _is_of_adapter(key: str) -> bool:
    if key.startswith(("lora_", "lycoris_")) or _BASE_LAYER in key or other_kind(key):
        return True
    entry = split_entry(key)
    return entry is not None and entry[1] != "alpha"
