"""The fingerprint of everything that determines the frames of a run; a checkpoint is valid for the same fingerprint."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch

import easyanimate
from easyanimate.files.manifest import UsedLora, file_sha256, library_versions
from easyanimate.render import ModelEnvironment
from jobs.model.input_files import DRAFT_STATE, INPUT_FILES
from worker.generation.manifest_settings import continuation_of
from worker.protocol.messages import Run

# They do not change the frames: inputs are compared by their content, and a draft has the states of the whole video.
KEYS = set(INPUT_FILES.values())
_IRRELEVANT = {"webhook", "metadata", "preview_every_steps", "draft_steps", "promoted_steps", *KEYS}
IRRELEVANT_FIELDS: Any = {**dict.fromkeys(_IRRELEVANT, True), "shots": {"__all__": KEYS}}
# The files of the worker that determine frames. The others may change while a job is running.
WORKER_SOURCES = (
    "checkpoints/draft",
    "checkpoints/format",
    "checkpoints/state_file",
    "checkpoints/writer",
    "generation/frame_stream",
    "generation/generator",
    "generation/manifest_settings",
    "generation/pipeline_inputs",
    "generation/source_video",
    "windows/format",
    "windows/reader",
    "windows/recorder",
    "windows/reuse",
)


def fingerprint(environment: ModelEnvironment, run: Run, window: int, loras: tuple[UsedLora, ...]) -> str:
    """SHA-256 of request, inputs, model, LoRAs, device, libraries and code; `window` is the model's, in frames."""
    facts = {
        "request": run.request.model_dump(mode="json", exclude=IRRELEVANT_FIELDS),
        "inputs": {name: file_sha256(path) for name, path in sorted(run.inputs.items()) if name != DRAFT_STATE},
        "window": window,
        "continuation": continuation_of(run.request, window, run.continuation),
        **_engine_facts(environment, loras),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def engine_fingerprint(environment: ModelEnvironment, loras: tuple[UsedLora, ...]) -> str:
    """SHA-256 of model, LoRAs, device, libraries and code: all that determines a window beside its inputs."""
    return hashlib.sha256(json.dumps(_engine_facts(environment, loras), sort_keys=True).encode()).hexdigest()


def _engine_facts(environment: ModelEnvironment, loras: tuple[UsedLora, ...]) -> dict[str, Any]:
    return {
        "environment": asdict(environment),
        "loras": [asdict(lora) for lora in loras],
        "device": _device(environment.device),
        "libraries": library_versions(),
        "code": code_sha256(),
    }


def _device(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return torch.backends.cpu.get_cpu_capability()


@cache
def code_sha256() -> str:
    """SHA-256 of the source files that determine frames."""
    library, worker = Path(easyanimate.__file__).parent, Path(__file__).parents[1]
    files = [*sorted(library.rglob("*.py")), *(worker / f"{name}.py" for name in WORKER_SOURCES)]
    total = hashlib.sha256()
    for path in files:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
