"""Copies the small model into the models folder where it is missing or outdated. Does not import torch."""

from pathlib import Path

from easyanimate.tiny import TINY_MODEL, copy_tiny_model, is_tiny_model


class ModelMissing(Exception):
    """The model is missing and cannot be created; the message is one sentence."""


def ensure_model(models_dir: Path, model: str) -> None:
    """Creates the folder of the small model if it is missing. Raises ModelMissing for any other missing model."""
    folder = models_dir / model
    if model != TINY_MODEL:
        if not folder.is_dir():
            raise ModelMissing(
                f"there is no model {model} in {models_dir}; `easyanimate models pull` downloads the published ones"
            )
        return
    if is_tiny_model(folder):
        return
    try:
        copy_tiny_model(folder)
    except OSError as error:
        raise ModelMissing(f"the small model could not be copied to {models_dir}: {error}") from error
