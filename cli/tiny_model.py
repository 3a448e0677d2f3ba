"""The small model, made when it is missing: in a process of its own, so that nothing here has to load torch."""

import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from cli.settings import child_environment

TINY_MODEL = "easyanimate-v3-tiny"


class ModelMissing(Exception):
    """The model is not there and cannot be made; one sentence says what to do."""


def ensure_model(models_dir: Path, model: str) -> None:
    """See that the model's folder is there; the small one is made if it is not. Raises ModelMissing."""
    folder = models_dir / model
    if folder.is_dir():
        return
    if model != TINY_MODEL:
        raise ModelMissing(
            f"there is no model {model} in {models_dir}; `easyanimate models pull` can fetch the published ones"
        )
    unfinished = models_dir / f".{model}.{secrets.token_hex(4)}"
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        made = subprocess.run(
            [sys.executable, "-m", "easyanimate.tiny", str(unfinished)],
            env=child_environment({}),
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode != 0:
            raise ModelMissing(f"the small model could not be made in {models_dir}: {made.stderr.strip()[-500:]}")
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
