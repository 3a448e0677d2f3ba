"""The alpha of LoRAs in PEFT's format, which is in the metadata or in adapter_config.json."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from easyanimate.errors import CheckpointError
from easyanimate.lora.names import without_dotted_prefix

_METADATA_KEY = "lora_adapter_metadata"  # diffusers
_MODEL_FILE, _CONFIG_FILE = "adapter_model.safetensors", "adapter_config.json"  # PEFT
_PREFIXES = {"transformer": ("transformer.", "unet.", ""), "text_encoder": ("text_encoder.", "")}


@dataclass(frozen=True)
class PeftSettings:
    """The settings of all models in a file, by names with or without the model's prefix."""

    where: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def alpha(self, model: str, layer: str, rank: int) -> float | None:
        """The alpha of `layer` of `model`; None without a setting, which means the rank."""
        alpha = self._of_layer(model, layer)
        if alpha is None:
            return None
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise CheckpointError(f"{self.where}: lora_alpha must be one finite number, got {alpha!r}")
        return alpha * math.sqrt(rank) if self._of(model, "use_rslora") else alpha  # alpha / sqrt(r) instead of / r

    def _of_layer(self, model: str, layer: str) -> Any:
        path = without_dotted_prefix(layer)[1]
        patterns = self._of(model, "alpha_pattern")
        for pattern, alpha in patterns.items() if isinstance(patterns, dict) else ():
            if _names_layer(pattern, path):
                return alpha
        return self._of(model, "lora_alpha")

    def _of(self, model: str, name: str) -> Any:
        return next((self.values[p + name] for p in _PREFIXES[model] if p + name in self.values), None)


def read_peft_settings(path: Path) -> PeftSettings:
    """The settings of the LoRA in `path`, from its metadata or from PEFT's file beside it; empty without both."""
    config = path.with_name(_CONFIG_FILE)
    if path.name == _MODEL_FILE and config.is_file():
        return _parsed(config.read_bytes(), str(config))
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(_METADATA_KEY)
    except (SafetensorError, OSError) as problem:
        raise CheckpointError(f"{path} is damaged or cut short ({problem}); download it again") from problem
    return _parsed(text, f"{path}, metadata {_METADATA_KEY}") if text else PeftSettings()


def _parsed(text: str | bytes, where: str) -> PeftSettings:
    try:
        values = json.loads(text)
    except ValueError as problem:
        raise CheckpointError(f"{where} is not JSON ({problem}); export the LoRA again") from problem
    if not isinstance(values, dict):
        raise CheckpointError(f"{where} holds no settings by name; export the LoRA again")
    return PeftSettings(where, values)


def _names_layer(pattern: str, path: str) -> bool:
    """Matches a key of alpha_pattern as PEFT does: the end of a path, or a regular expression for it."""
    if path == pattern or path.endswith(f".{pattern}"):
        return True
    try:
        return re.fullmatch(rf"(.*\.)?({pattern})", path) is not None
    except re.error:
        return False
