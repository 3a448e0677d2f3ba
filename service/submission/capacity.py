"""Decides whether the queue is full: too many jobs would wait, or the last of them would wait too long.

`service/settings.py` has the limits, `jobs/queue/load.py` estimates the wait, and `admission.py` refuses with 429
`queue_full`. A wait that cannot be estimated does not count.
"""

from math import ceil

from jobs.queue.load import Load
from service.settings import ServiceSettings

DEFAULT_RETRY_AFTER_S, MAX_RETRY_AFTER_S = 30, 60


def full_reason(settings: ServiceSettings, load: Load, count: int) -> str | None:
    """The reason to refuse `count` more videos; None if they are accepted."""
    if load.depth + count > settings.max_queued_jobs:
        return f"at most {settings.max_queued_jobs} videos may wait, and {load.depth} are waiting"
    wait_s = load.wait_s(load.depth + count - 1)
    if wait_s is not None and wait_s > settings.max_wait_s:
        return (
            f"the last of {load.depth} waiting videos starts in {wait_s:.0f} s; the limit is {settings.max_wait_s:g} s"
        )
    return None


def retry_after_s(load: Load) -> int:
    """The seconds until a place is probably free: when a worker finishes a video, and at most a minute."""
    if load.run_s is None or not load.workers:
        return DEFAULT_RETRY_AFTER_S
    return min(max(1, ceil(load.run_s / load.workers)), MAX_RETRY_AFTER_S)
