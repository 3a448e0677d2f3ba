"""The LoRA files in the models folder. It imports no torch, because the supervisor announces them."""

import re
from pathlib import Path

from jobs.model.model_card import Lora

FOLDER = "loras"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def list_lora_files(models_dir: Path) -> tuple[Lora, ...]:
    """The LoRA files in `models_dir`/loras whose names a request may use."""
    paths = sorted((models_dir / FOLDER).glob("*.safetensors"))
    usable = [path for path in paths if NAME.fullmatch(path.stem) and path.is_file()]  # a broken link is no file
    return tuple(Lora(name=path.stem, size_bytes=path.stat().st_size) for path in usable)


def lora_path(models_dir: Path, name: str) -> Path | None:
    """The file of a LoRA; None if there is none."""
    path = models_dir / FOLDER / f"{name}.safetensors"
    return path if NAME.fullmatch(name) and path.is_file() else None
