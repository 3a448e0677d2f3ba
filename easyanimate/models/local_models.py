"""Lists the models folder: models, models in transfer, and LoRA files."""

from dataclasses import dataclass
from pathlib import Path

from easyanimate.models.transfer.staging import LORA_FOLDER
from easyanimate.weights.model_files import TOKENIZER_FILES, WEIGHTS, missing_weights

_UNFINISHED_PREFIXES = (".pulling-", ".importing-")


@dataclass(frozen=True)
class ModelEntry:
    """The folder of a model. `missing` lists missing files; `unfinished` means that the transfer is not complete."""

    name: str
    folder: Path
    size_bytes: int
    missing: tuple[str, ...]
    unfinished: bool


@dataclass(frozen=True)
class LoraEntry:
    """A LoRA file; the name is that of the file without its extension."""

    name: str
    size_bytes: int


def list_model_folders(models_dir: Path) -> list[ModelEntry]:
    """The models in `models_dir` by name; folders without any part of a model are skipped."""
    if not models_dir.is_dir():
        return []
    entries = []
    for folder in sorted(path for path in models_dir.iterdir() if path.is_dir() and path.name != LORA_FOLDER):
        prefix = next((prefix for prefix in _UNFINISHED_PREFIXES if folder.name.startswith(prefix)), "")
        if not prefix and (folder.name.startswith(".") or not _holds_model(folder)):
            continue
        name = folder.name.removeprefix(prefix)
        missing = tuple(missing_files(folder))
        entries.append(ModelEntry(name, folder, folder_bytes(folder), missing, unfinished=bool(prefix)))
    return entries


def list_loras(models_dir: Path) -> list[LoraEntry]:
    """The LoRA files in `models_dir`/loras by name."""
    paths = sorted((models_dir / LORA_FOLDER).glob("*.safetensors"))
    return [LoraEntry(path.stem, path.stat().st_size) for path in paths if path.is_file()]


def missing_files(folder: Path) -> list[str]:
    """The files that each model has and `folder` lacks. Only index files are opened."""
    lacking = [f"{name}/config.json" for name in WEIGHTS if not (folder / name / "config.json").is_file()]
    for name, files in WEIGHTS.items():
        lacking += [f"{name}/{missing}" for missing in missing_weights(folder / name, files)]
    if not any((folder / "tokenizer" / name).is_file() for name in TOKENIZER_FILES):
        lacking.append(f"tokenizer/{TOKENIZER_FILES[0]}")
    if not (folder / "image_encoder" / "preprocessor_config.json").is_file():
        lacking.append("image_encoder/preprocessor_config.json")
    return lacking


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _holds_model(folder: Path) -> bool:
    return (folder / "model_index.json").is_file() or (folder / "transformer").is_dir()
