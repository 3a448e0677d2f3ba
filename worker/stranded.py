"""Jobs that fell between two chairs: taken off the queue by a worker that died before it could lease them.

RQ moves an entry to an intermediate list while a worker takes it. An entry that stays there belongs to a worker that
is no more; RQ itself would look after a minute, and then call the entry failed.
"""

import time

from redis import Redis
from redis.client import Pipeline

from jobs import queue, records
from jobs.errors import JobNotFound
from jobs.record import Job
from jobs.redis_connection import answering
from jobs.registry import Registry
from jobs.states import State


class Stranded:
    """Looks at the intermediate lists of all models, again and again. Several keepers may do so at once."""

    def __init__(self, redis: Redis, after_s: float) -> None:
        self.redis = redis
        self.after_s = after_s
        self._first_seen: dict[str, float] = {}

    def rescue(self) -> list[str]:
        """Queue again every job whose entry has lain between for too long; the ids of these jobs."""
        seen: dict[str, str] = {}  # entry -> model
        with answering():
            for card in Registry(self.redis).cards():
                between = queue.open_queue(self.redis, card.name).intermediate_queue
                seen |= dict.fromkeys(between.get_job_ids(), card.name)
            now = time.monotonic()
            self._first_seen = {entry: self._first_seen.get(entry, now) for entry in seen}
            late = [entry for entry, since in self._first_seen.items() if now - since >= self.after_s]
            return [job_id for entry in late if (job_id := self._rescue(entry, seen[entry]))]

    def _rescue(self, entry: str, model: str) -> str | None:
        job_id, _, handover = entry.rpartition("-")

        def decide(job: Job) -> Job | None:
            is_stranded = job.state is State.QUEUED and str(job.handover) == handover
            return job.with_changes(handover=job.handover + 1) if is_stranded else None

        def extra(pipe: Pipeline, job: Job) -> None:
            queue.push(self.redis, pipe, model, job_id, job.handover, at_front=True)

        try:
            job = records.change(self.redis, job_id, decide, extra)
        except JobNotFound:
            job = None
        queue.open_queue(self.redis, model).intermediate_queue.remove(entry)
        return job.id if job else None
