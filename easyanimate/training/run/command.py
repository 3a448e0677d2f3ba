"""One process of a training, as launched directly or by accelerate."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from easyanimate.errors import EasyAnimateError
from easyanimate.training.run.concurrent import launch
from easyanimate.training.run.configuration import read_training_settings
from easyanimate.training.run.loop import Training, make_accelerator
from easyanimate.training.run.processes import FailedElsewhere, leave_processes
from easyanimate.training.tasks.lora_settings import LoraTrainingSettings
from easyanimate.training.tasks.lora_task import TEXT_RATE, LoraTask
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings
from easyanimate.training.tasks.transformer_task import TransformerTask
from easyanimate.training.tasks.vae_settings import VaeTrainingSettings
from easyanimate.training.tasks.vae_task import VaeTask


def main(arguments: list[str] | None = None) -> int:
    """0 when the training has come to its end, 2 with a sentence on stderr when it can't begin or go on."""
    parser = argparse.ArgumentParser(prog="python -m easyanimate.training")
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("file", type=Path, help="a .toml or .yaml file of settings")
    parser.add_argument("--processes", type=_count, default=1, metavar="N", help="so many on this machine")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another value for a setting")
    said = parser.parse_args(arguments)
    if said.processes > 1:
        changes = [part for change in said.set for part in ("--set", change)]
        return launch(said.processes, [said.kind, str(said.file), *changes])
    try:
        result = KINDS[said.kind](said.file, dict(_setting(text) for text in said.set))
    except FailedElsewhere:
        return 2
    except EasyAnimateError as error:
        sys.stderr.write(f"train {said.kind}: {error}\n")
        return 2
    finally:
        leave_processes()
    sys.stdout.write(f"{result}\n")
    return 0


def train_vae(file: Path, overrides: dict[str, Any]) -> Path:
    """Train the VAE that `file` tells of; the folder of the result. Raises EasyAnimateError."""
    settings = read_training_settings(file, VaeTrainingSettings, overrides)
    return Training(VaeTask(settings), settings).go()


def train_transformer(file: Path, overrides: dict[str, Any]) -> Path:
    """Train the transformer that `file` tells of; the folder of the result. Raises EasyAnimateError."""
    settings = read_training_settings(file, TransformerTrainingSettings, overrides)
    accelerator = make_accelerator(settings.run)
    task = TransformerTask(settings, process=accelerator.process_index, device=accelerator.device)
    return Training(task, settings, settings.slow).go()


def train_lora(file: Path, overrides: dict[str, Any]) -> Path:
    """Train the LoRA that `file` tells of; the folder of the result. Raises EasyAnimateError."""
    settings = read_training_settings(file, LoraTrainingSettings, overrides)
    accelerator = make_accelerator(settings.run)
    task = LoraTask(settings, process=accelerator.process_index, device=accelerator.device)
    rest = {
        word: share for word, share in TEXT_RATE.items() if settings.lora.text_encoder and word not in settings.slow
    }
    return Training(task, settings, {**settings.slow, **rest}).go()


KINDS = {"vae": train_vae, "transformer": train_transformer, "lora": train_lora}


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {number}")
    return number


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
