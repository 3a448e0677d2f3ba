"""Copies the small model into the models folder where it is missing or outdated. Does not import torch."""

from pathlib import Path

from cli.errors import StackFailed
from easyanimate.tiny import TINY_MODEL, copy_tiny_model, is_tiny_model


def ensure_model(models_dir: Path, model: str) -> None:
    """Creates the folder of the small model if it is missing. Raises StackFailed for any other missing model."""
    folder = models_dir / model
    if model != TINY_MODEL:
        if not folder.is_dir():
            hint = "`easyanimate models pull` downloads the published ones"
            raise StackFailed(f"there is no model {model} in {models_dir}; {hint}")
        return
    if is_tiny_model(folder):
        return
    try:
        copy_tiny_model(folder)
    except OSError as error:
        raise StackFailed(f"the small model could not be copied to {models_dir}: {error}") from error
