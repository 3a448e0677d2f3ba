"""Decides whether the queue can take more jobs."""

from math import ceil

from jobs.queue.load import Load
from service.settings import ServiceSettings

DEFAULT_RETRY_AFTER_S, MAX_RETRY_AFTER_S = 30, 60


def full_reason(settings: ServiceSettings, load: Load, count: int) -> str | None:
    """Why so many more videos are not accepted; None if they are."""
    if load.depth + count > settings.max_queued_jobs:
        return f"at most {settings.max_queued_jobs} videos may wait, and {load.depth} do"
    wait_s = load.wait_s(load.depth + count - 1)
    if wait_s is not None and wait_s > settings.max_wait_s:
        return f"the last of {load.depth} waiting videos is begun in {wait_s:.0f} s, later than we promise"
    return None


def retry_after_s(load: Load) -> int:
    """When a place should be free: as soon as a worker is done with a video, and a minute at most."""
    if load.run_s is None or not load.workers:
        return DEFAULT_RETRY_AFTER_S
    return min(max(1, ceil(load.run_s / load.workers)), MAX_RETRY_AFTER_S)
