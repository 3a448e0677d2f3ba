"""The command line of one training process."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from easyanimate.errors import EasyAnimateError
from easyanimate.training.run.concurrent import launch_processes
from easyanimate.training.run.configuration import read_training_settings
from easyanimate.training.run.loop import Training, make_accelerator
from easyanimate.training.run.processes import OtherProcessFailed, leave_process_group
from easyanimate.training.tasks.lora_settings import LoraTrainingSettings
from easyanimate.training.tasks.lora_task import TEXT_RATE, LoraTask
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings
from easyanimate.training.tasks.transformer_task import TransformerTask
from easyanimate.training.tasks.vae_settings import VaeTrainingSettings
from easyanimate.training.tasks.vae_task import VaeTask


def main(arguments: list[str] | None = None) -> int:
    """Runs a training. Returns 0 when it is finished, and 2 with a message on stderr when it fails."""
    parser = argparse.ArgumentParser(prog="python -m easyanimate.training")
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("file", type=Path, help="a .toml or .yaml file with settings")
    parser.add_argument("--processes", type=_count, default=1, metavar="N", help="number of processes on this machine")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="replaces the value of a setting"
    )
    options = parser.parse_args(arguments)
    if options.processes > 1:
        changes = [part for change in options.set for part in ("--set", change)]
        return launch_processes(options.processes, [options.kind, str(options.file), *changes])
    try:
        result = KINDS[options.kind](options.file, dict(_setting(text) for text in options.set))
    except OtherProcessFailed:
        return 2
    except EasyAnimateError as error:
        sys.stderr.write(f"train {options.kind}: {error}\n")
        return 2
    finally:
        leave_process_group()
    sys.stdout.write(f"{result}\n")
    return 0


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
