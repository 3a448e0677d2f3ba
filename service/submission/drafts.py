"""Drafts, which end after some of the steps, and their promotions, which make the others."""

from collections.abc import Collection
from functools import partial
from typing import Any

from easyanimate.windows import plan_windows
from jobs.errors import InvalidRequest, JobNotFound
from jobs.model.input_files import DRAFT_STATE
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.model.result_files import sibling_key
from jobs.model.states import State
from jobs.model.steps import steps_of_window
from jobs.store.callers.submission import CallerJobs
from service.http.errors import ApiError


def as_draft(request: VideoRequest, steps: int, windows: int) -> VideoRequest:
    """The request as a draft of so many steps. Raises InvalidRequest."""
    most = min(request.num_inference_steps, steps_of_window(request)) - 1
    if windows > 1:
        message = f"a draft has one window, and this video has {windows}; request fewer frames"
        raise InvalidRequest(message, "draft", reason="draft_windows", windows=windows)
    if request.quality != "exact":
        message = (
            'a draft needs the quality "exact", which continues after each step; send quality "exact", or no draft'
        )
        raise InvalidRequest(message, "draft", reason="draft_quality")
    if most < 1:
        message = "a draft needs a video of two steps or more; leave draft out"
        raise InvalidRequest(message, "draft", reason="draft_one_step")
    if steps > most:
        message = f"draft.steps must be between 1 and {most} for this video, got {steps}"
        raise InvalidRequest(message, "draft.steps", reason="draft_steps_range", most=most)
    return request.model_copy(update={"draft_steps": steps})


def as_promotion(request: VideoRequest, changes: dict[str, Any]) -> VideoRequest:
    """The request that finishes the draft of `request`, with its own webhook and metadata."""
    return request.model_copy(update={**changes, "promoted_steps": request.draft_steps or 0, "draft_steps": None})


def without_draft(request: VideoRequest) -> VideoRequest:
    """The request of a promotion as that of a straight run; another request is unchanged."""
    return request.model_copy(update={"promoted_steps": 0, "draft_key": None})


def get_draft(store: CallerJobs, owner: str, video_id: str) -> Job:
    """The caller's finished draft with this id. Raises InvalidRequest, ApiError."""
    try:
        job = store.get_owned(video_id, owner)
    except JobNotFound as error:
        raise ApiError("video_not_found", str(error)) from error
    if job.request.draft_steps is None:
        message = f"{video_id} is no draft; only a video that was requested with draft can be promoted"
        raise InvalidRequest(message, reason="not_a_draft")
    if job.state is not State.COMPLETED:
        raise ApiError("video_not_ready", f"{video_id} is {job.state}; only a finished draft can be promoted")
    if job.has_expired(store.table.now()):
        message = f"the state of {video_id} was kept until its expires_at; create the video again"
        raise ApiError("asset_expired", message)
    return job


def draft_key(job: Job) -> str:
    """The storage key of the state of a finished draft."""
    return sibling_key(job.result.video_key if job.result else "", DRAFT_STATE)


def count_windows(request: VideoRequest, inputs: Collection[str], card: ModelCard) -> int:
    """The number of windows of a video with input files of these names. A changed video has one."""
    if request.shots:
        return sum(shot.num_windows for shot in request.shots)
    if "video.mp4" in inputs and not request.continues:
        return 1
    plan = partial(plan_windows, window=card.window, overlap=request.overlap, end_image="last_image.png" in inputs)
    if not request.continues:
        return len(plan(request.num_frames))
    return len(plan(request.num_frames - request.video_num_frames, continues=request.overlap))
