"""Preemption: asks a running job to give its worker to a waiting one of higher priority, for keepers.

The request names the token of the attempt, so it ends with it. The worker stops the attempt at its next step, returns
the job to the queue at no cost, and leases the urgent job (docs/decisions/0068-preemption.md).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from redis.client import Pipeline

from jobs.access import usage
from jobs.errors import JobNotFound, RecordUnreadable
from jobs.model.job import Job, PreemptionRequest
from jobs.model.states import Phase, Priority, State
from jobs.model.stored import to_member
from jobs.queue import fair_queue
from jobs.queue.pauses import Pauses
from jobs.queue.registry import Registry
from jobs.queue.wakeup import wake_worker
from jobs.queue.workers import WorkerDirectory, WorkerEntry, WorkerState
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import SetAside, readable_names
from jobs.store import shared_runs
from jobs.store.transitions import JobTable
from jobs.version import VERSION

MAX_PREEMPTIONS = 3  # of one job; then it runs to its end
_ENDING = (Phase.MUXING, Phase.UPLOADING)  # too late to stop for another job
# The jobs for which a worker may be asked: the next one of the queue, and the next one of each higher priority.
_CHOICES = (tuple(Priority), (Priority.HIGH,), (Priority.NORMAL,))

# KEYS: the requests. ARGV: the urgent job, the running one -> another keeper may have made a new request meanwhile.
_FORGET = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end"


@dataclass(frozen=True)
class RunningJobs:
    """The priority and the worker of each running job of the installation, by id."""

    priorities: Mapping[str, Priority]
    workers: Mapping[str, str]

    def outranked_by(self, urgent: Job) -> list[str]:
        """Ids of the running jobs of a lower priority."""
        return [job_id for job_id, priority in self.priorities.items() if outranks(urgent.priority, priority)]


@dataclass(frozen=True)
class LiveWorkers:
    """The live workers of an installation by name, and the number of those of a model without an entry."""

    entries: Mapping[str, WorkerEntry]
    unknown: int

    def has_free(self, model: str, running: RunningJobs, running_of_model: Collection[str]) -> bool:
        """Whether a worker of this model has no job and takes jobs; it leases the next one by itself."""
        busy = set(running.workers.values())
        accepting = (name for name, entry in self.entries.items() if model in entry.models and entry.reason is None)
        unknown_busy = sum(running.workers.get(job_id) not in self.entries for job_id in running_of_model)
        return any(name not in busy for name in accepting) or self.unknown > unknown_busy


def outranks(urgent: Priority, other: Priority) -> bool:
    """Whether the first priority is the higher one."""
    return urgent.head_start > other.head_start


def choose_victim(urgent: Job, running: Sequence[Job], entries: Mapping[str, WorkerEntry]) -> Job | None:
    """The running job that gives its worker to `urgent`; None if none can.

    It has the lowest priority, on a worker that serves the model, if possible with the model loaded. Of several it has
    the fewest preemptions and is the latest one. Workers of other releases are not asked: they may not answer.
    """
    model = urgent.request.model

    def can_stop(job: Job) -> bool:
        entry = entries.get(job.worker or "")
        if entry is None or entry.version != VERSION or entry.reason is not None or model not in entry.models:
            return False
        is_free_to_stop = job.state is State.RUNNING and not job.cancel_requested and job.preempted_for is None
        is_outranked = outranks(urgent.priority, job.priority) and job.preemptions < MAX_PREEMPTIONS
        return is_free_to_stop and is_outranked and job.phase not in _ENDING

    def order(job: Job) -> tuple[int, bool, int, float]:
        is_loaded = model in entries[job.worker or ""].loaded_models
        return job.priority.head_start, not is_loaded, job.preemptions, -job.created_at

    return min(filter(can_stop, running), key=order, default=None)


class Preemptions:
    """The requests of keepers to running jobs. Every method may raise QueueUnavailable."""

    def __init__(self, table: JobTable) -> None:
        self.table = table
        self.redis = table.redis
        self.pauses, self.registry = Pauses(table.redis), Registry(table.redis)
        self.directory = WorkerDirectory(table.redis)
        self.unreadable = SetAside(table.redis, "job")  # jobs that this keeper cannot read

    def pending(self) -> dict[str, str]:
        """The running job that is asked for its worker, by the id of the urgent job."""
        with redis_errors():
            rows = cast(dict[bytes, bytes], self.redis.hgetall(keys.PREEMPTIONS_KEY))
        return {urgent.decode(errors="replace"): victim.decode(errors="replace") for urgent, victim in rows.items()}

    def withdraw_unneeded(self) -> list[str]:
        """Withdraws the requests whose urgent job waits no longer, and forgets answered ones; ids of the running jobs.

        A worker that has stopped its job already is not reached.
        """
        withdrawn = []
        for urgent_id, victim_id in self.pending().items():
            with self.unreadable.guard(victim_id):
                is_requested = self._is_requested(victim_id, urgent_id)
                if is_requested and self._may_start(urgent_id):
                    continue
                if is_requested and self._withdraw(victim_id, urgent_id):
                    withdrawn.append(victim_id)
            with redis_errors():
                self.redis.eval(_FORGET, 1, keys.PREEMPTIONS_KEY, urgent_id, victim_id)
        return withdrawn

    def request(self, urgent: Job, victim: Job) -> bool:
        """Asks the running attempt of `victim` to give its worker to `urgent`; False if this is no longer possible."""

        def decide(job: Job) -> Job | None:
            is_same = job.state is State.RUNNING and job.token == victim.token
            if not is_same or job.cancel_requested or job.preempted_for or job.preemptions >= MAX_PREEMPTIONS:
                return None
            if self._has_request(urgent.id) or not self._may_start(urgent.id):
                return None
            return job.evolve(preemption_request=PreemptionRequest(token=job.token or "", job_id=urgent.id))

        def extra(pipe: Pipeline, job: Job) -> None:
            pipe.hset(keys.PREEMPTIONS_KEY, urgent.id, job.id)
            wake_worker(pipe, job.token)

        def depends_on(_: Job) -> tuple[str]:
            return (keys.PREEMPTIONS_KEY,)  # another keeper may ask another job for the same urgent one

        return self.table.update_if_exists(victim.id, decide, extra, depends_on=depends_on) is not None

    def next_urgent(self, model: str, excluded: Collection[str]) -> list[Job]:
        """The jobs of this model for which a worker may be asked, in order; none while the queue is paused."""
        if self.pauses.is_paused(model):
            return []
        skipped = [*excluded, *self.unreadable.names()]
        with redis_errors():
            ids = [fair_queue.peek(self.redis, model, skipped, priorities) for priorities in _CHOICES]
        jobs = self._read(job_id for job_id in dict.fromkeys(ids) if job_id is not None)
        return [job for job in jobs if job.state is State.QUEUED]

    def running(self) -> RunningJobs:
        """All running jobs of the installation."""
        with redis_errors():
            ids = readable_names(cast(list[bytes], self.redis.zrange(keys.LEASES_KEY, 0, -1)))
            with self.redis.pipeline(transaction=False) as pipe:
                for job_id in ids:
                    pipe.hmget(keys.record_key(job_id), "priority", "worker")
                rows = pipe.execute(raise_on_error=False)
        priorities, workers = dict[str, Priority](), dict[str, str]()
        for job_id, row in zip(ids, rows, strict=True):
            with self.unreadable.guard(job_id):
                priority, worker = (json.loads(value or b"null") for value in row)
                priorities[job_id] = to_member(Priority, priority or Priority.NORMAL)
                workers[job_id] = str(worker)
        return RunningJobs(priorities, workers)

    def live_workers(self, model: str) -> LiveWorkers:
        """The live workers of the installation, as far as they have entries."""
        gone = (WorkerState.LOST, WorkerState.ENDED)
        live = [status for status in self.directory.all() if status.state not in gone]
        entries = {status.name: status.entry for status in live if status.entry is not None}
        announced = sum(model in entry.models for entry in entries.values())
        return LiveWorkers(entries, self.registry.live_workers(model) - announced)

    def victim(self, urgent: Job, running: RunningJobs, workers: LiveWorkers) -> Job | None:
        """The running job that gives its worker to `urgent`; None if none can."""
        outranked = self.unreadable.others(running.outranked_by(urgent))
        return choose_victim(urgent, self._read(outranked), workers.entries)

    def _read(self, ids: Iterable[str]) -> list[Job]:
        jobs = []
        for job_id in ids:
            with self.unreadable.guard(job_id):
                try:
                    jobs.append(self.table.get(job_id))
                except JobNotFound:
                    continue
        return jobs

    def _has_request(self, urgent_id: str) -> bool:
        with redis_errors():
            victim_id = cast(bytes | None, self.redis.hget(keys.PREEMPTIONS_KEY, urgent_id))
        return victim_id is not None and self._is_requested(victim_id.decode(errors="replace"), urgent_id)

    def _is_requested(self, victim_id: str, urgent_id: str) -> bool:
        try:
            return self.table.get(victim_id).preempted_for == urgent_id
        except JobNotFound:
            return False

    def _may_start(self, job_id: str) -> bool:
        """Whether a worker may lease this job: it waits, and no pause, limit or equal job that runs prevents it.

        False for a job that cannot be read, which is set aside.
        """
        try:
            job = self.table.get(job_id)
        except JobNotFound:
            return False
        except RecordUnreadable as error:
            self.unreadable.add(job_id, error)
            return False
        if job.state is not State.QUEUED or self.pauses.is_paused(job.request.model):
            return False
        with redis_errors():
            return usage.may_start(self.redis, job) and not shared_runs.is_run_of_another(self.redis, job)

    def _withdraw(self, victim_id: str, urgent_id: str) -> bool:
        def decide(job: Job) -> Job | None:
            return job.evolve(preemption_request=None) if job.preempted_for == urgent_id else None

        def extra(pipe: Pipeline, job: Job) -> None:
            wake_worker(pipe, job.token)

        return self.table.update_if_exists(victim_id, decide, extra) is not None
