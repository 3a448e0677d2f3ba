"""The settings of a result for its manifest, and the manifest inside the file.

`easyanimate/files/manifest.py` has the class with all fields; `easyanimate/render.py` writes `manifest.json`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from easyanimate.files.manifest import Manifest
from easyanimate.sampling import techniques_of
from easyanimate.windows import FRAMES, ContinuationMode, continues_windows
from jobs.model.request import GenerationSettings, VideoRequest

PROMPTS = ("prompt", "negative_prompt")
SHOT_SETTINGS = {*PROMPTS, "num_frames", "seed", "overlap"}


def manifest_settings(request: VideoRequest, window: int, continuation: ContinuationMode = FRAMES) -> dict[str, Any]:
    """The parameters in the form that `easyanimate reproduce` reads; `window` is the model's, in frames."""
    settings = request.model_dump(include=set(GenerationSettings.model_fields))
    if request.shots:
        settings["shots"] = [shot.model_dump(include=SHOT_SETTINGS) for shot in request.shots]
    if request.draft_steps is not None:
        settings["draft_steps"] = request.draft_steps
    if continuation_of(request, window, continuation) != FRAMES:
        settings["continuation"] = continuation
    if request.quality == "exact":
        del settings["quality"]  # releases before it refuse the name
    else:
        settings["techniques"] = list(techniques_of(request.quality))
    source_frames = request.video_num_frames if request.continues else 0
    return settings | {
        "num_frames": request.num_frames - source_frames,
        "window": window,
        "fps": str(request.fps),
        "sample_posterior": True,
    }


def continuation_of(request: VideoRequest, window: int, chosen: ContinuationMode) -> ContinuationMode:
    """How the windows of a request continue: as `chosen`, and `frames` where no window continues anything."""
    shots, extends = len(request.shots), request.continues
    continues = continues_windows(request.num_frames, window, num_shots=shots, extends=extends)
    return chosen if continues else FRAMES


def without_prompts(manifest: Manifest) -> str:
    """The text inside the file. The caller may pass the file on, so it has no prompts; `manifest.json` has them."""
    settings = _without_prompts(manifest.settings)
    if "shots" in settings:
        settings["shots"] = [_without_prompts(shot) for shot in settings["shots"]]
    return replace(manifest, settings=settings).compact()


def _without_prompts(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in PROMPTS}
