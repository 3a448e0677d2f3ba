"""How a result was made, in the form that `easyanimate reproduce` reads."""

from dataclasses import dataclass, replace
from typing import Any

from easyanimate.files.manifest import Manifest, UsedLora, file_sha256, library_versions
from jobs.model.request import Mode
from worker.protocol.messages import Run
from worker.settings import Memory

WORDS = ("prompt", "negative_prompt")  # the caller's own: in the manifest, which only they can read, not in the file
SETTINGS = (
    *WORDS,
    "width",
    "height",
    "overlap",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "strength",
    "clip_apply_ratio",
    "smooth",
    "clean_caption",
    "seed",
)


@dataclass(frozen=True)
class ModelEnvironment:
    """What every result of a loaded model has in common."""

    model: str
    model_sha256: str
    device: str
    dtype: str
    memory: Memory


def build_manifest(
    place: ModelEnvironment, run: Run, window: int, loras: tuple[UsedLora, ...], frames: tuple[str, ...]
) -> Manifest:
    """The manifest of `frames`, which are told by their hashes; `window` is what the model makes at a time."""
    asked = run.request
    new = asked.num_frames - (asked.video_num_frames if asked.continues else 0)
    settings: dict[str, Any] = {name: getattr(asked, name) for name in SETTINGS}
    settings |= {"num_frames": new, "window": window, "fps": str(asked.fps), "sample_posterior": True}
    names = {"video": "continues"} if asked.mode is Mode.EXTENSION else {}
    inputs = {names.get(path.stem, path.stem): file_sha256(path) for path in run.inputs.values()}
    return Manifest(
        model=place.model,
        model_sha256=place.model_sha256,
        settings=settings,
        inputs=inputs,
        loras=loras,
        device=place.device,
        dtype=place.dtype,
        memory=place.memory,
        libraries=library_versions(),
        frames=frames,
    )


def without_prompts(manifest: Manifest) -> str:
    """What the file itself may say: it is passed on to people who need not know the prompts."""
    settings = {name: value for name, value in manifest.settings.items() if name not in WORDS}
    return replace(manifest, settings=settings).compact()
