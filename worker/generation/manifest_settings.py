"""The settings of a result for its manifest, and the manifest inside the file.

`easyanimate/files/manifest.py` has the class with all fields; `easyanimate/render.py` writes `manifest.json`.
"""

from dataclasses import replace
from typing import Any

from easyanimate.files.manifest import Manifest
from jobs.model.request import GenerationSettings, VideoRequest

PROMPTS = ("prompt", "negative_prompt")


def manifest_settings(request: VideoRequest, window: int) -> dict[str, Any]:
    """The parameters in the form that `easyanimate reproduce` reads; `window` is the model's, in frames."""
    settings = request.model_dump(include=set(GenerationSettings.model_fields))
    source_frames = request.video_num_frames if request.continues else 0
    return settings | {
        "num_frames": request.num_frames - source_frames,
        "window": window,
        "fps": str(request.fps),
        "sample_posterior": True,
    }


def without_prompts(manifest: Manifest) -> str:
    """The text inside the file. The caller may pass the file on, so it has no prompts; `manifest.json` has them."""
    settings = {name: value for name, value in manifest.settings.items() if name not in PROMPTS}
    return replace(manifest, settings=settings).compact()
