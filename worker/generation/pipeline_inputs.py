"""Builds the inputs of the renderer from a run: its request and its input files."""

from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from easyanimate.files.copyable_frames import find_copyable_frames
from easyanimate.files.mp4_join import StoredFrames
from easyanimate.render import RenderInputs
from easyanimate.windows import ShotLength, Window, plan_shots, plan_windows
from jobs.model.input_files import DRAFT_STATE, input_field
from jobs.model.request import Mode, VideoRequest
from worker.generation.manifest_settings import manifest_settings
from worker.generation.source_video import SourceFrames
from worker.protocol.messages import Run


def build_pipeline_inputs(run: Run, window: int) -> RenderInputs:
    """The inputs of `run` for a model with windows of `window` frames. Raises RequestRefused `invalid_video`."""
    request = run.request
    settings = manifest_settings(request, window, run.continuation)
    is_edit = request.mode is Mode.VIDEO_TO_VIDEO
    copied, warnings = _copied_frames(run.inputs["video.mp4"], request) if request.continues else (None, ())
    video, lost_frames = _read_video(run.inputs["video.mp4"], request) if is_edit else (None, ())
    return RenderInputs(
        settings=settings,
        plan=_plan(request, settings, end_image="last_image.png" in run.inputs),
        files={_manifest_name(name, request): path for name, path in run.inputs.items() if name != DRAFT_STATE},
        images={
            Path(name).stem: _read_image(path)
            for name, path in run.inputs.items()
            if name.endswith(".png") and not request.shots
        },
        read_image=_read_image,
        video=video,
        copied=copied,
        warnings=warnings + lost_frames,
    )


def _copied_frames(path: Path, request: VideoRequest) -> tuple[StoredFrames | None, tuple[str, ...]]:
    """The frames of the video to extend that are not encoded again, and warnings."""
    return find_copyable_frames(
        path,
        width=request.width,
        height=request.height,
        fps=Fraction(request.fps),
        overlap=request.overlap,
        num_frames=request.video_num_frames,
    )


def _plan(request: VideoRequest, settings: dict[str, Any], *, end_image: bool) -> tuple[Window, ...]:
    num_frames, overlap = settings["num_frames"], request.overlap
    if request.mode is Mode.VIDEO_TO_VIDEO:
        return (Window(0, num_frames, num_frames),)
    if request.shots:
        lengths = [ShotLength(shot.num_frames, shot.overlap, bool(shot.last_image_key)) for shot in request.shots]
        return plan_shots(lengths, window=settings["window"], overlap=overlap)
    continues = overlap if request.continues else 0
    return plan_windows(
        num_frames, window=settings["window"], overlap=overlap, continues=continues, end_image=end_image
    )


def _manifest_name(name: str, request: VideoRequest) -> str:
    return "continues" if request.continues and name == "video.mp4" else input_field(name)


def _read_image(path: Path) -> Image.Image:
    with Image.open(path, formats=["PNG"]) as image:
        return image.convert("RGB")


def _read_video(path: Path, request: VideoRequest) -> tuple[np.ndarray, tuple[str, ...]]:
    """The first frames [F, H, W, 3] of the video, as many as the result has, and warnings."""
    source = SourceFrames(path, request)
    frames = np.stack(list(islice(source, request.num_frames)))
    next(source, None)  # all that the last frame shows is decoded, so that lost frames in it are counted
    return frames, source.warnings
