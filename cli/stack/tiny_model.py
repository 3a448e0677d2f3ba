"""The small model, laid out where it is missing or from an older version. Nothing here loads torch."""

from pathlib import Path

from easyanimate.tiny import TINY_MODEL, copy_tiny_model, is_tiny_model


class ModelMissing(Exception):
    """The model is not there and cannot be made; one sentence says what to do."""


def ensure_model(models_dir: Path, model: str) -> None:
    """See that the model's folder is there; the small one is laid out if it is not. Raises ModelMissing."""
    folder = models_dir / model
    if model != TINY_MODEL:
        if not folder.is_dir():
            raise ModelMissing(
                f"there is no model {model} in {models_dir}; `easyanimate models pull` can fetch the published ones"
            )
        return
    if is_tiny_model(folder):
        return
    try:
        copy_tiny_model(folder)
    except OSError as error:
        raise ModelMissing(f"the small model could not be put into {models_dir}: {error}") from error
