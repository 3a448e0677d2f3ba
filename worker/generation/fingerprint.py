"""What a video's frames depend on, as one number: a checkpoint with another one belongs to something else."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

import torch

import easyanimate
from easyanimate.files.manifest import UsedLora, file_sha256, library_versions
from worker.generation.manifest import ModelEnvironment
from worker.protocol.messages import Run

OF_NO_MATTER = {"webhook", "metadata", "preview_every_steps"}  # to the frames
# What makes frames outside the library; the rest of this room may change under a running job.
OURS = (
    "checkpoints/format",
    "checkpoints/state_file",
    "checkpoints/writer",
    "generation/frame_stream",
    "generation/generator",
    "generation/pipeline_inputs",
    "generation/source_video",
)


def fingerprint(place: ModelEnvironment, run: Run, window: int, loras: tuple[UsedLora, ...]) -> str:
    """SHA-256 of request, inputs, model, LoRAs, device, libraries and code; `window` frames are made at a time."""
    facts = {
        "request": run.request.model_dump(mode="json", exclude=OF_NO_MATTER),
        "inputs": {name: file_sha256(path) for name, path in sorted(run.inputs.items())},
        "place": asdict(place),
        "window": window,
        "loras": [asdict(lora) for lora in loras],
        "device": _device(place.device),
        "libraries": library_versions(),
        "code": code_sha256(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _device(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"


@cache
def code_sha256() -> str:
    """Of the source of all that makes frames."""
    library, here = Path(easyanimate.__file__).parent, Path(__file__).parents[1]
    files = [*sorted(library.rglob("*.py")), *(here / f"{name}.py" for name in OURS)]
    total = hashlib.sha256()
    for path in files:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
