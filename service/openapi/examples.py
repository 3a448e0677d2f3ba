"""Examples for the OpenAPI document, made by the code that makes the answers, so that they cannot differ from them."""

from functools import cache
from typing import Any

from jobs.model.failure import failure
from jobs.model.job import Job, Result
from jobs.model.request import VideoRequest
from jobs.model.states import Phase, State
from jobs.queue.fair_queue import QueuePosition
from service.http.errors import STATUS, problem_body
from service.schemas.video import to_video

VIDEO_ID = "video_0c8f6d2b7a914e35b1d0f7aa"
PATH = f"/v1/videos/{VIDEO_ID}"
CREATED_AT = 1795380000

# What may be asked for, by what it shows.
CREATE_EXAMPLES: dict[str, dict[str, Any]] = {
    "the least": {"prompt": "a red ball rolls across a meadow"},
    "chosen": {
        "prompt": "a paper boat in the rain",
        "negative_prompt": "blurry",
        "size": "672x384",
        "num_frames": 48,
        "num_inference_steps": 30,
        "guidance_scale": 6.0,
        "seed": 7,
        "metadata": {"order": "17"},
    },
    "told when it has ended": {
        "prompt": "a paper boat in the rain",
        "webhook": {"url": "https://example.com/hook", "events": ["video.completed", "video.failed"]},
    },
}
EDIT_EXAMPLES: dict[str, dict[str, Any]] = {
    "in another weather": {"prompt": "a paper boat in the snow", "video": {"id": VIDEO_ID}, "strength": 0.6}
}
EXTEND_EXAMPLES: dict[str, dict[str, Any]] = {
    "two seconds more": {"prompt": "the boat comes ashore", "video": {"id": VIDEO_ID}, "seconds": "2"}
}
REMIX_EXAMPLES: dict[str, dict[str, Any]] = {"of another colour": {"prompt": "a blue paper boat in the rain"}}

# What a refusal says, and which field it names.
REFUSALS: dict[str, tuple[str, str | None]] = {
    "invalid_request": ("num_inference_steps must be between 1 and 200 for euler, got 900", "num_inference_steps"),
    "unknown_parameter": ("unknown parameter promt; did you mean prompt?", "promt"),
    "invalid_size": ("width must be a multiple of 16, got 700; the nearest is 704x384", "size"),
    "invalid_seconds": ("num_frames must be 1 or a multiple of 8 up to 1440, got 17; the nearest is 16", "num_frames"),
    "unsupported_image": ("image is not a PNG, JPEG, WebP or still GIF", "image"),
    "unsupported_video": ("video is not an MP4", "video"),
    "url_not_allowed": ("webhook.url must be a public https address", "webhook.url"),
    "unsupported_file": ("file must be a PNG, JPEG, WebP or still GIF picture, or an MP4 video", "file"),
    "image_fetch_failed": ("image could not be fetched: the answer was 404; send the picture as a file", "image"),
    "video_fetch_failed": ("video could not be fetched: no answer within 20 s; send the video as a file", "video"),
    "too_many_endpoints": ("you have 20 webhook endpoints already; delete one", None),
    "webhook_unreachable": ("https://example.com/hook gave no answer: its name does not resolve", None),
    "invalid_api_key": ("this service wants a key it knows, as the header Authorization: Bearer KEY", None),
    "video_not_found": ("there is no such video", None),
    "model_not_found": ("there is no model 'sora-2'; GET /v1/models lists them", "model"),
    "video_not_ready": (f"the video is not ready, it is running; GET {PATH} says how far it has come", None),
    "not_cancellable": ("the video is already finished", None),
    "queue_full": ("10000 videos are waiting already; come back in a while", None),
    "queue_unavailable": ("the queue does not answer; nothing was accepted, try again shortly", None),
}


def error_examples() -> dict[str, Any]:
    """An example of every code."""
    found = {}
    for code in STATUS:
        message, param = REFUSALS.get(code, (f"{code.replace('_', ' ')}: a sentence that says what would work", None))
        found[code] = {"value": problem_body(PATH, code, message, param)}
    return found


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
        "completed": to_video(ended.evolve(state=State.COMPLETED, result=_result()), "https://example.com/…"),
        "failed": to_video(running.evolve(state=State.FAILED, failure=failure("gpu_out_of_memory"))),
        "cancelled": to_video(waiting.evolve(state=State.CANCELLED, failure=failure("cancelled"))),
    }
    return {name: {"value": video.model_dump(mode="json")} for name, video in jobs.items()}


def _request() -> VideoRequest:
    return VideoRequest(
        model="EasyAnimateV3-XL-2-InP-512x512",
        prompt="a paper boat in the rain",
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
