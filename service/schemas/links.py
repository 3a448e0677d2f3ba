"""Signed links to the files of a video, created with each response (docs/decisions/0005)."""

import time
from math import ceil
from pathlib import PurePosixPath
from typing import Any

from jobs.model.job import Job
from jobs.storage.interface import Storage
from service.schemas.video import LINK_REFRESH_S, to_video

LINK_LIFETIME_S = 2 * LINK_REFRESH_S


def download_url(job: Job, storage: Storage) -> str | None:
    """A new link to the completed video; None before its end and after its expiry."""
    now = time.time()
    if job.result is None or job.has_expired(now):
        return None
    return storage.url(job.result.video_key, link_lifetime_s(job, now), file_name(job))


def link_lifetime_s(job: Job, now: float) -> int:
    """The lifetime of a new link: an hour, or until the files expire. `now` in unix seconds."""
    return LINK_LIFETIME_S if job.expires_at is None else min(LINK_LIFETIME_S, ceil(job.expires_at - now))


def file_name(job: Job) -> str:
    """The name for the downloaded result."""
    return f"{job.id}{PurePosixPath(job.request.result_name).suffix}"


def record_json(storage: Storage, job: Job) -> dict[str, Any]:
    """The record with its link, as values of JSON."""
    return to_video(job, download_url(job, storage)).model_dump(mode="json")
