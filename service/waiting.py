"""Waiting for a video to change, on the event loop: hundreds may wait in one process."""

import time
from collections.abc import Awaitable, Callable

from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.queue.notifications import LOOK_AGAIN_S
from service.resources import Resources

Condition = Callable[[Job], Awaitable[bool]]


async def wait_for(resources: Resources, job: Job, seconds: float, is_enough: Condition) -> Job:
    """The job as soon as it `is_enough`, and after so many seconds in any case. Raises JobNotFound if it is deleted.

    A Redis that goes away meanwhile ends no wait; one that is still away at its end raises QueueUnavailable.
    """
    deadline = time.monotonic() + seconds
    async with resources.news.of(job.id) as bell:
        while True:
            found = await _look(resources, job)
            left_s = deadline - time.monotonic()
            if found is not None and (left_s <= 0 or await is_enough(found)):
                return found
            if left_s <= 0 or resources.leaving.is_set():
                return await resources.reader.get_owned(job.id, job.owner)
            await bell.wait(min(left_s, LOOK_AGAIN_S))


async def is_final(job: Job) -> bool:
    """Whether nothing more will happen to it."""
    return job.state.is_final


async def _look(resources: Resources, job: Job) -> Job | None:
    try:
        return await resources.reader.get_owned(job.id, job.owner)
    except QueueUnavailable:
        return None
