"""Links to a video's files that need no key, made at the moment somebody reads of them (docs/decisions/0005)."""

import time
from math import ceil
from pathlib import PurePosixPath
from typing import Any

from jobs.model.job import Job
from jobs.storage.interface import Storage
from service.schemas.video import LINK_REFRESH_S, to_video

LINK_LIFE_S = 2 * LINK_REFRESH_S


def download_url(job: Job, storage: Storage) -> str | None:
    """A fresh link to the finished video, as long as it is kept; None while there is none."""
    now = time.time()
    if job.result is None or job.has_expired(now):
        return None
    return storage.url(job.result.video_key, link_life_s(job, now), file_name(job))


def link_life_s(job: Job, now: float) -> int:
    """How long a link lives that is made now: an hour, or until the files go. `now` in unix seconds."""
    return LINK_LIFE_S if job.expires_at is None else min(LINK_LIFE_S, ceil(job.expires_at - now))


def file_name(job: Job) -> str:
    """What a caller's disk should call the result."""
    return f"{job.id}{PurePosixPath(job.request.result_name).suffix}"


def record_json(storage: Storage, job: Job) -> dict[str, Any]:
    """The record, with its link, as JSON's own values."""
    return to_video(job, download_url(job, storage)).model_dump(mode="json")
