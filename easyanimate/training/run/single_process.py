"""One process of a training, with exit code and messages."""

import json
import sys
from pathlib import Path
from typing import Any

from accelerate import PartialState

from easyanimate.errors import EasyAnimateError
from easyanimate.training.run.configuration import read_training_settings
from easyanimate.training.run.loop import Training, make_accelerator
from easyanimate.training.run.processes import OtherProcessFailed, leave_process_group
from easyanimate.training.tasks.lora_settings import LoraTrainingSettings
from easyanimate.training.tasks.lora_task import TEXT_RATE, LoraTask
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings
from easyanimate.training.tasks.transformer_task import TransformerTask
from easyanimate.training.tasks.vae_settings import VaeTrainingSettings
from easyanimate.training.tasks.vae_task import VaeTask


def run_single_process(kind: str, file: Path, overrides: dict[str, Any], *, as_json: bool = False) -> int:
    """Trains; the first process prints the folder of the result. Returns 0, or 2 with a message on stderr."""
    try:
        result = KINDS[kind](file, overrides)
    except OtherProcessFailed:
        return 2
    except EasyAnimateError as error:
        sys.stderr.write(f"train {kind}: {error}\n")
        return 2
    finally:
        leave_process_group()
    if PartialState().is_main_process:
        sys.stdout.write(f"{_as_json(kind, result) if as_json else result}\n")
    return 0


def _as_json(kind: str, result: Path) -> str:
    values = {"kind": kind, "folder": str(result), "losses": str(result.with_name("losses.csv"))}
    return json.dumps(values, indent=2)


def train_vae(file: Path, overrides: dict[str, Any]) -> Path:
    """Trains a VAE with the settings in `file`; returns the folder of the result. Raises EasyAnimateError."""
    settings = read_training_settings(file, VaeTrainingSettings, overrides)
    return Training(VaeTask(settings), settings).train()


def train_transformer(file: Path, overrides: dict[str, Any]) -> Path:
    """Trains a transformer with the settings in `file`; returns the folder of the result. Raises EasyAnimateError."""
    settings = read_training_settings(file, TransformerTrainingSettings, overrides)
    accelerator = make_accelerator(settings.run)
    task = TransformerTask(settings, process=accelerator.process_index, device=accelerator.device)
    return Training(task, settings, settings.slow).train()


def train_lora(file: Path, overrides: dict[str, Any]) -> Path:
    """Trains a LoRA with the settings in `file`; returns the folder of the result. Raises EasyAnimateError."""
    settings = read_training_settings(file, LoraTrainingSettings, overrides)
    accelerator = make_accelerator(settings.run)
    task = LoraTask(settings, process=accelerator.process_index, device=accelerator.device)
    rest = {
        word: share for word, share in TEXT_RATE.items() if settings.lora.text_encoder and word not in settings.slow
    }
    return Training(task, settings, {**settings.slow, **rest}).train()


KINDS = {"vae": train_vae, "transformer": train_transformer, "lora": train_lora}
