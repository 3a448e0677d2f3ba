"""Long polling: waits on the event loop until a job has changed."""

import time
from collections.abc import Awaitable, Callable

from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.queue.notifications import POLL_INTERVAL_S
from service.resources import Resources

Condition = Callable[[Job], Awaitable[bool]]


async def wait_for(resources: Resources, job: Job, timeout_s: float, condition: Condition) -> Job:
    """The job when it meets the condition, or after `timeout_s`. Raises JobNotFound if it is deleted.

    A short outage of Redis does not end the wait. One that lasts until the timeout raises QueueUnavailable.
    """
    deadline = time.monotonic() + timeout_s
    async with resources.notifications.subscribe(job.id) as subscription:
        while True:
            current = await _read(resources, job)
            left_s = deadline - time.monotonic()
            if current is not None and (left_s <= 0 or await condition(current)):
                return current
            if left_s <= 0 or resources.stopping.is_set():
                return await resources.reader.get_owned(job.id, job.owner)
            await subscription.wait(min(left_s, POLL_INTERVAL_S))


async def is_final(job: Job) -> bool:
    """Whether the job has ended."""
    return job.has_ended


async def _read(resources: Resources, job: Job) -> Job | None:
    try:
        return await resources.reader.get_owned(job.id, job.owner)
    except QueueUnavailable:
        return None
