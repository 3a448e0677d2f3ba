"""Examples for the OpenAPI document, built by the code that builds the responses."""

from functools import cache
from typing import Any

from jobs.model.failure import failure
from jobs.model.job import Job, Result
from jobs.model.request import VideoRequest
from jobs.model.states import Phase, State
from jobs.queue.fair_queue import QueuePosition
from service.http.error_codes import ERROR_CODES
from service.http.errors import problem_body
from service.schemas.video import Links, to_video

VIDEO_ID = "video_0c8f6d2b7a914e35b1d0f7aa"
PATH = f"/v1/videos/{VIDEO_ID}"
CREATED_AT = 1795380000

# Request bodies by the title of the example.
CREATE_EXAMPLES: dict[str, dict[str, Any]] = {
    "minimal": {"prompt": "a large red circle moving to the right on a blue background"},
    "with settings": {
        "prompt": "a large cyan cross resting on a red background",
        "negative_prompt": "blurry",
        "size": "672x384",
        "num_frames": 48,
        "num_inference_steps": 30,
        "guidance_scale": 6.0,
        "seed": 7,
        "metadata": {"order": "17"},
    },
    "a draft": {
        "prompt": "a large cyan cross resting on a red background",
        "num_inference_steps": 30,
        "draft": {"steps": 6},
        "seed": 7,
    },
    "a film of two shots": {
        "shots": [
            {"prompt": "a large red circle moving to the right on a blue background", "num_frames": 48},
            {"prompt": "a large red circle moving down on a blue background", "seconds": "2", "overlap": 4},
        ],
        "seed": 7,
    },
    "with a webhook": {
        "prompt": "a large cyan cross resting on a red background",
        "webhook": {"url": "https://example.com/hook", "events": ["video.completed", "video.failed"]},
    },
}
EDIT_EXAMPLES: dict[str, dict[str, Any]] = {
    "another weather": {
        "prompt": "a purple square moving to the right on a black background",
        "video": {"id": VIDEO_ID},
        "strength": 0.6,
    }
}
EXTEND_EXAMPLES: dict[str, dict[str, Any]] = {
    "two more seconds": {
        "prompt": "a large cyan cross moving to the left on a red background",
        "video": {"id": VIDEO_ID},
        "seconds": "2",
    }
}
REMIX_EXAMPLES: dict[str, dict[str, Any]] = {
    "another colour": {"prompt": "a large blue cross resting on a red background"},
    "a shot of a film": {"shots": {"1": {"prompt": "a large red circle moving up on a blue background"}}},
}

PROMOTE_EXAMPLES: dict[str, dict[str, Any]] = {"with metadata": {"metadata": {"order": "17"}}}
UPDATE_EXAMPLES: dict[str, dict[str, Any]] = {
    "sooner": {"priority": "high"},
    "other metadata": {"metadata": {"order": "18"}},
}


def error_examples() -> dict[str, Any]:
    """An example of every error code."""
    return {
        code: {"value": problem_body(PATH, code, error.example, error.param)} for code, error in ERROR_CODES.items()
    }


@cache
def video_examples() -> dict[str, Any]:
    """The record of one video in each of its states."""
    waiting = Job(id=VIDEO_ID, owner="", request=_request(), created_at=CREATED_AT)
    running = waiting.evolve(
        state=State.RUNNING, attempt=1, started_at=CREATED_AT + 2, phase=Phase.DENOISING, step=12, total_steps=30
    )
    ended = running.evolve(completed_at=CREATED_AT + 43, step=30)
    jobs = {
        "queued": to_video(waiting, place=QueuePosition(3)),
        "in_progress": to_video(running),
        "completed": to_video(ended.evolve(state=State.COMPLETED, result=_result()), Links("https://example.com/…")),
        "failed": to_video(running.evolve(state=State.FAILED, failure=failure("gpu_out_of_memory"))),
        "cancelled": to_video(waiting.evolve(state=State.CANCELLED, failure=failure("cancelled"))),
    }
    return {name: {"value": video.model_dump(mode="json")} for name, video in jobs.items()}


def _request() -> VideoRequest:
    return VideoRequest(
        model="EasyAnimateV3-XL-2-InP-512x512",
        prompt="a large cyan cross resting on a red background",
        width=672,
        height=384,
        num_frames=48,
        fps=24,
        num_inference_steps=30,
        guidance_scale=6.0,
        scheduler="euler",
        seed=7,
        metadata={"order": "17"},
    )


def _result() -> Result:
    return Result(
        video_key="video.mp4",
        content_type="video/mp4",
        size_bytes=181_264,
        content_sha256="9b1d5a0c34e2f8577f0f5f0e3bb9a1f6d1c0b86a2f9a3a54f7d9c1e0a8b7c6d5",
        inference_time_s=38.4,
        peak_memory_mb=14_210.0,
        phase_seconds={"loading": 0.0, "encoding": 0.6, "denoising": 33.1, "decoding": 4.2, "muxing": 0.4},
    )
