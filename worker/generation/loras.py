"""The LoRAs of a request, from the shelf beside the models: read, put on the pipeline while it works, reported."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from easyanimate import EasyAnimatePipeline
from easyanimate.errors import CheckpointError
from easyanimate.files.manifest import UsedLora, file_sha256
from easyanimate.lora import LoraFile, LoraReport, applied, read_lora
from jobs.model.request import LoraChoice
from worker.models.lora_index import lora_path
from worker.protocol.errors import RequestRefused


@contextmanager
def apply_loras(
    pipe: EasyAnimatePipeline, models_dir: Path, choices: tuple[LoraChoice, ...]
) -> Iterator[tuple[tuple[UsedLora, ...], tuple[str, ...]]]:
    """Inside, the LoRAs work; yields them and what the caller should know. Raises Refused `invalid_lora`."""
    if not choices:
        yield (), ()
        return
    paths = [_path(models_dir, choice) for choice in choices]
    files = [_read(path) for path in paths]
    used = tuple(UsedLora(c.name, file_sha256(path), c.scale) for c, path in zip(choices, paths, strict=True))
    with ExitStack() as stack:
        try:
            scaled = [(file, choice.scale) for file, choice in zip(files, choices, strict=True)]
            reports = stack.enter_context(applied(pipe, scaled))
        except CheckpointError as error:
            raise RequestRefused("invalid_lora", str(error)) from error
        yield used, tuple(_warning(report) for report in reports if report.unused)


def _path(models_dir: Path, choice: LoraChoice) -> Path:
    path = lora_path(models_dir, choice.name)
    if path is None:
        raise RequestRefused("invalid_lora", f"The worker has no LoRA {choice.name!r} any more")
    return path


def _read(path: Path) -> LoraFile:
    try:
        return read_lora(path)
    except CheckpointError as error:
        raise RequestRefused("invalid_lora", str(error).replace(str(path), path.name)) from error


def _warning(report: LoraReport) -> str:
    total = report.applied + len(report.unused)
    return f"lora {report.name}: {report.applied} of {total} modules applied; not used: {report.unused[0]}, …"
