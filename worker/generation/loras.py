"""Applies the LoRAs of a request, from the folder beside the models."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from easyanimate.errors import CheckpointError
from easyanimate.pipeline import ClipStages
from easyanimate.render import AppliedLoras, LoraSource, apply_lora_files
from jobs.model.request import LoraChoice
from worker.models.lora_index import lora_path
from worker.protocol.errors import RequestRefused


@contextmanager
def apply_loras(pipe: ClipStages, models_dir: Path, choices: tuple[LoraChoice, ...]) -> Iterator[AppliedLoras]:
    """Applies the LoRAs inside the block. Raises RequestRefused `invalid_lora`; its message has no paths."""
    sources = [LoraSource(_path(models_dir, choice), choice.scale) for choice in choices]
    with ExitStack() as stack:
        try:
            loras = stack.enter_context(apply_lora_files(pipe, sources))
        except CheckpointError as error:
            message = str(error)
            for source in sources:
                message = message.replace(str(source.path), source.path.name)
            raise RequestRefused("invalid_lora", message) from error
        yield loras


def _path(models_dir: Path, choice: LoraChoice) -> Path:
    path = lora_path(models_dir, choice.name)
    if path is None:
        raise RequestRefused("invalid_lora", f"The worker has no LoRA {choice.name!r} any more")
    return path
