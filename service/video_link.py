"""Links to a video's files that need no key, made at the moment somebody reads of them (docs/decisions/0005)."""

import time
from math import ceil
from pathlib import PurePosixPath
from typing import Any

from jobs.record import Job
from jobs.storage import Storage
from service.views import LINK_REFRESH_S, show

LINK_LIFE_S = 2 * LINK_REFRESH_S


def link(job: Job, storage: Storage) -> str | None:
    """A fresh link to the finished video, as long as it is kept; None while there is none."""
    now = time.time()
    if job.result is None or job.has_expired(now):
        return None
    life_s = LINK_LIFE_S if job.expires_at is None else min(LINK_LIFE_S, ceil(job.expires_at - now))
    return storage.url(job.result.video_key, life_s, file_name(job))


def file_name(job: Job) -> str:
    """What a caller's disk should call the result."""
    return f"{job.id}{PurePosixPath(job.request.result_name).suffix}"


def shown(storage: Storage, job: Job) -> dict[str, Any]:
    """The record, with its link, as JSON's own values."""
    return show(job, link(job, storage)).model_dump(mode="json")
