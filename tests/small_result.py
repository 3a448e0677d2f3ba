"""A result of a job whose video no test reads."""

from typing import Any

from jobs.model.job import Result


def small_result(video_key: str, **changes: Any) -> Result:
    """A result of one byte with the changed fields."""
    values = {
        "video_key": video_key,
        "content_type": "video/mp4",
        "size_bytes": 1,
        "content_sha256": "",
        "inference_time_s": 1.0,
        "peak_memory_mb": 1.0,
        "phase_seconds": {},
    }
    return Result.model_validate(values | changes)
