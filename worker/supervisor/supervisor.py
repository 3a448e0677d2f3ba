"""The supervisor: takes tickets, leases the next job of the fair queue, and runs the attempt. It never imports torch.

RQ delivers a ticket, which means that a job of a model waits. The fair queue decides which job that is. The record of
the job holds its progress and its result.
"""

import os
import secrets
import socket
import time
from _thread import start_new_thread
from contextlib import suppress

import structlog
from redis import Redis

from jobs.errors import JobNotFound, QueueUnavailable, RecordUnreadable
from jobs.model.job import Job
from jobs.model.states import IdleReason, State
from jobs.queue.registry import Registry
from jobs.queue.signers import SignerRegistry
from jobs.queue.vocabularies import VocabularyStore
from jobs.redis.unreadable import SetAside, report_unreadable
from worker import metrics
from worker.attempt.attempt import AttemptRun, WorkerContext
from worker.attempt.outcomes import AttemptEnded, EngineLost, Preempted
from worker.checkpoints.store import sweep_checkpoints
from worker.crash_points import crash_point
from worker.drain import Drain, retry_until_drained
from worker.models.served import why_unsupported
from worker.supervisor.model_rotation import ModelRotation
from worker.supervisor.rq_worker import QueueTicket, RQWorker
from worker.supervisor.shared_runs import apply_shared_outcome, next_sharer
from worker.supervisor.spool import Spool

log = structlog.get_logger()

DEFER_FOR_S, DEFER_PAUSE_S = 20.0, 0.5  # while all other workers are busy, a job waits for them no longer
SHUTDOWN_S = 15.0  # after the drain, to release the job and to unregister; then the process exits in any case
REDIS_PAUSE_S = 0.5
MAX_WAIT_S = 300.0  # of one turn of the wait for tickets, also while Redis does not answer


def new_worker_name() -> str:
    """A name that no other worker has or had."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def begin_shutdown(drain: Drain) -> None:
    """Begins the drain and limits the time until the process exits, because Redis may be away.

    Safe in a signal handler: it takes no lock, as starting a `Thread` would.
    """
    drain.begin()
    start_new_thread(_exit_after, (drain.remaining_s + SHUTDOWN_S,))


def begin_requested_shutdown(drain: Drain) -> None:
    """Begins the drain that an operator requested, as `begin_shutdown` does after a signal."""
    drain.begin_requested()
    start_new_thread(_exit_after, (drain.remaining_s + SHUTDOWN_S,))


def _exit_after(seconds: float) -> None:
    time.sleep(seconds)
    os._exit(1)


class Supervisor:
    """One worker: it runs one job at a time. `redis` is a connection for RQ alone, which changes its timeouts."""

    def __init__(self, name: str, redis: Redis, context: WorkerContext, spool: Spool) -> None:
        self.name = name
        self.context = context
        self.spool = spool
        self.rq_worker = RQWorker(name, redis, context.served.cards)
        self.registry = Registry(context.store.table.redis)
        self.signers = SignerRegistry(context.store.table.redis)
        self.vocabularies = VocabularyStore(context.store.table.redis)
        self.rotation = ModelRotation(context.served.cards, context.settings.model_turn_s)
        self._engine_lost_at: dict[str, float] = {}  # by job id
        self._skipped = SetAside(context.store.table.redis, "job")  # jobs that this worker cannot read or run
        self._is_disk_full = False
        self._waiting_since: float | None = None  # None while a job runs
        self.running_job: Job | None = None  # other threads may read it

    def work(self) -> None:
        """Runs jobs until the worker is drained or has no model left."""
        try:
            with suppress(QueueUnavailable):  # raised when Redis is away and the drain is over
                retry_until_drained(self.rq_worker.register, self.context.drain)
                while (ticket := self.next_ticket()) is not None:
                    self.run_ticket(ticket)
        finally:
            self.rq_worker.unregister()

    def next_ticket(self) -> QueueTicket | None:
        """Waits for a ticket; None when the worker takes no more jobs."""
        while not self.context.drain.has_begun:
            self._waiting_since = time.monotonic()
            self.context.engine.drain_messages()
            self._withdraw_broken()
            if self.has_no_model:
                self.context.drain.begin()
            elif not self._has_disk():
                time.sleep(1)
            elif (ticket := self._wait_for_ticket()) is not None:
                self._waiting_since = None
                return ticket
        self._waiting_since = None
        return None

    def fault(self) -> str | None:
        """What is wrong with the wait for tickets, or None. The watchdog and the heartbeat look after a running job."""
        since = self._waiting_since
        hangs = since is not None and time.monotonic() - since > MAX_WAIT_S
        return f"no ticket was waited for during {MAX_WAIT_S:g} s" if hangs else None

    def run_ticket(self, ticket: QueueTicket) -> None:
        """Runs the next job of the model, if one waits. The ticket is used up in any case: the keeper counts them."""
        if not ticket.is_valid:
            retry_until_drained(lambda: self.rq_worker.refuse(ticket), self.context.drain)
            return
        self.rotation.served(ticket.model)
        job = self._next_job(ticket.model)
        while job is not None:
            outcome = self._run_job(job, ticket)
            job = self._urgent_job(outcome) or self._next_sharer(job)

    def _run_job(self, job: Job, ticket: QueueTicket) -> AttemptEnded | None:
        self.running_job = job
        with self.rq_worker.busy_with(ticket):
            outcome = self._run_attempt(job)
        self.running_job = None
        self._after_attempt(job, outcome)
        return outcome

    @property
    def idle_reason(self) -> IdleReason | None:
        """Why this worker takes no jobs, or None. Other threads may read it."""
        if self.context.drain.has_begun:
            return IdleReason.DRAINING
        if self._is_disk_full:
            return IdleReason.DISK_FULL
        return IdleReason.SUSPENDED if self.rq_worker.is_suspended else None

    @property
    def has_no_model(self) -> bool:
        """Whether every model of this worker is broken."""
        return not self.context.served.cards

    def _run_attempt(self, job: Job) -> AttemptEnded | None:
        """Makes the video of a leased job; returns why there is none. The attempt updates the record in any case."""
        with self.spool.attempt_dir() as folder, AttemptRun(job, self.context, folder) as attempt:
            crash_point("worker.leased")
            if apply_shared_outcome(attempt):
                return None
            inputs = attempt.fetch_inputs()
            crash_point("worker.fetched")
            video = attempt.generate(inputs)
            crash_point("worker.made")
            attempt.moderate_output()
            attempt.commit_result(attempt.mark_result(video, inputs))
            crash_point("worker.committed")
        return attempt.outcome

    def _after_attempt(self, job: Job, outcome: AttemptEnded | None) -> None:
        if isinstance(outcome, EngineLost):
            self._engine_lost_at[job.id] = time.monotonic()
        sweep_checkpoints(self.context.settings.checkpoints, self.context.store.table)
        self._withdraw_broken()
        model, engine = job.request.model, self.context.engine
        if not self.context.drain.has_begun and model in self.context.served.cards and engine.may_load(model):
            engine.start(model)  # when the engine died, it loads the model before the next job comes

    def _wait_for_ticket(self) -> QueueTicket | None:
        try:
            models = self.rotation.order(self.context.engine.loaded)
            paused = self.registry.pauses.of(models)
            return self.rq_worker.wait_for_ticket([model for model in models if model not in paused])
        except QueueUnavailable:
            log.warning("redis.away")
            time.sleep(REDIS_PAUSE_S)
            return None

    def _withdraw_broken(self) -> None:
        """Stops serving the models that the engine cannot load."""
        broken = self.context.engine.broken
        for model in self.context.served.cards.keys() & broken.keys():
            self.context.served.withdraw(model, broken[model])
            self.rotation.remove(model)

    def _next_job(self, model: str) -> Job | None:
        """The next job of the fair queue, leased by this worker; None if no job waits or the worker drains.

        None also if the queue holds a value of another type.
        """
        store, drain = self.context.store, self.context.drain
        while not drain.has_begun:
            try:
                job_id = retry_until_drained(lambda: store.first_waiting(model, self._skipped.names()), drain)
            except RecordUnreadable as error:
                report_unreadable(store.table.redis, "queue", model, error)
                return None
            if job_id is None or self._defer_to_other_worker(job_id, model):
                return None
            if self._can_run(job_id) and (job := self._lease(job_id)) is not None:
                return job
        return None

    def _urgent_job(self, outcome: AttemptEnded | None) -> Job | None:
        """The job for which the last one was preempted, leased by this worker; None if it waits no longer.

        It is not the next ticket: a job that was lost may be before it, or one of another model that is loaded.
        """
        store, drain, models = self.context.store, self.context.drain, self.context.served.cards
        if not isinstance(outcome, Preempted) or drain.has_begun:
            return None
        crash_point("preemption.returned")
        urgent_id = outcome.urgent_id
        if not self._can_run(urgent_id) or not retry_until_drained(lambda: store.may_start(urgent_id, models), drain):
            return None
        if (job := self._lease(urgent_id)) is not None:
            self.rotation.served(job.request.model)
        return job

    def _defer_to_other_worker(self, job_id: str, model: str) -> bool:
        """Whether the engine of this worker just died during this job, and another live worker can try it."""
        drain = self.context.drain
        if time.monotonic() - self._engine_lost_at.get(job_id, float("-inf")) > DEFER_FOR_S:
            self._engine_lost_at.pop(job_id, None)
            return False
        if retry_until_drained(lambda: self.registry.live_workers(model), drain) < 2:
            return False
        retry_until_drained(lambda: self.rq_worker.restore_ticket(model), drain)
        time.sleep(DEFER_PAUSE_S)
        return True

    def _next_sharer(self, job: Job) -> Job | None:
        """A job of the same work as the last one, leased before its turn: it needs no run of its own."""
        store, drain = self.context.store, self.context.drain
        if drain.has_begun:
            return None
        follower = retry_until_drained(lambda: next_sharer(store, job), drain)
        return None if follower is None else self._lease(follower.id)

    def _can_run(self, job_id: str) -> bool:
        """Whether this release can read the job and supports its request; otherwise the worker skips it for a while."""
        store, drain = self.context.store, self.context.drain
        try:
            job = retry_until_drained(lambda: store.table.get(job_id), drain)
        except JobNotFound:  # the next call of `first_waiting` removes it
            return False
        except RecordUnreadable as error:
            self._skipped.add(job_id, error)
            return False
        reason = why_unsupported(job, self.context.served.cards.get(job.request.model))
        if reason is not None:
            self._skipped.skip(job_id)
            retry_until_drained(lambda: store.leave_waiting(job, self.name, reason), drain)
        return reason is None

    def _lease(self, job_id: str) -> Job | None:
        """The job, leased by this worker; None if another worker was faster or the job was withdrawn.

        One that cannot be leased, as with a list of another type, is set aside: the keeper takes it from this worker.
        """
        with self._skipped.guard(job_id):
            return self._lease_readable(job_id)
        return None

    def _lease_readable(self, job_id: str) -> Job | None:
        store, drain = self.context.store, self.context.drain
        if (job := retry_until_drained(lambda: store.lease(job_id, self.name), drain)) is not None:
            return job
        try:
            job = retry_until_drained(lambda: store.table.get(job_id), drain)
        except JobNotFound:
            return None
        # When Redis fails between the lease and its reply, the record holds the name of this worker.
        return job if job.state is State.RUNNING and job.worker == self.name else None

    def _has_disk(self) -> bool:
        min_bytes = self.context.settings.min_free_disk_bytes
        free_bytes = self.spool.free_bytes()
        metrics.SPOOL_FREE.set(free_bytes)
        is_full = free_bytes < min_bytes
        if is_full and not self._is_disk_full:
            log.error("disk.full", folder=str(self.spool.folder), needed=min_bytes)
        self._is_disk_full = is_full
        return not is_full
