"""The supervisor: an RQ worker that never imports torch. It leases a job, has the engine make it, and stays in charge.

RQ brings a ticket; which job is to be made is decided when it is handed in, and how it goes and ends is in its record.
"""

import os
import secrets
import socket
import time
from _thread import start_new_thread
from types import FrameType

import structlog
from redis import Redis
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job as RQJob
from rq.serializers import JSONSerializer

from jobs.errors import JobNotFound
from jobs.model.job import Job
from jobs.model.states import State
from jobs.queue.registry import Registry
from jobs.queue.tickets import new_entry, queue_name, reconcile_tickets
from worker.attempt.attempt import AttemptRun, WorkerContext
from worker.attempt.outcomes import EngineLost
from worker.checkpoints.store import sweep
from worker.drain import Drain, retry_until_drained
from worker.supervisor.model_rotation import ModelRotation
from worker.supervisor.rq_job import TicketJob, TicketQueue
from worker.supervisor.spool import Spool
from worker.tasks import ATTEMPT

log = structlog.get_logger()

LEAVE_FOR_S, LEAVE_PAUSE_S = 20.0, 0.5  # while all others are busy, a job waits for them no longer
LAST_WORDS_S = 15.0  # after the drain: to give the job back and say goodbye; then the process ends all the same


def new_worker_name() -> str:
    """A name no other worker ever had."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def begin_shutdown(drain: Drain) -> None:
    """Begin the end. Redis may be away, and whoever waits for it deaf: that must not keep us for ever.

    Safe in a signal handler, so it takes no lock, as starting a `Thread` would.
    """
    drain.begin()
    start_new_thread(_end_after, (drain.remaining_s + LAST_WORDS_S,))


def _queue(redis: Redis, model: str) -> TicketQueue:
    """The tickets of this model, as many as there are jobs."""
    reconcile_tickets(redis, model)
    return TicketQueue(queue_name(model), connection=redis, serializer=JSONSerializer, job_class=TicketJob)


def _end_after(seconds: float) -> None:
    time.sleep(seconds)
    os._exit(1)


class Supervisor(SimpleWorker):
    """One worker. `redis` must be patient: a worker with a loaded model waits for it to come back."""

    job_class = TicketJob
    queue_class = TicketQueue
    log_result_lifespan = False
    max_connection_wait_time = 3.0

    def __init__(self, name: str, redis: Redis, context: WorkerContext, spool: Spool) -> None:
        self.queue_of = {model: _queue(redis, model) for model in context.served.cards}
        super().__init__(
            list(self.queue_of.values()),
            name=name,
            connection=redis,
            serializer=JSONSerializer,
            worker_ttl=20,  # and with it RQ gives up a silent line after 15 s
            maintenance_interval=60,
            log_job_description=False,
        )
        self.context = context
        self.spool = spool
        self.registry = Registry(context.store.redis)
        self.turns = ModelRotation(self.queue_of, context.settings.model_turn_s)
        self._lost: dict[str, float] = {}  # job id -> when its engine died on us
        self._told_disk_is_full = False

    def subscribe(self) -> None:
        """RQ's remote commands are not for us: cancel and stop are in the record."""

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """A signal: take no further job, and let the running one go on for the grace; the second ends that."""
        begin_shutdown(self.context.drain)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[RQJob, Queue]:
        """The next ticket. Looks up every second, so that a signal never has to interrupt us between two steps."""
        while not self.context.drain.has_begun:
            self.context.engine.drain_messages()
            self._withdraw_broken()
            self._ordered_queues = [self.queue_of[model] for model in self.turns.order(self.context.engine.loaded)]
            if self.has_no_model:
                self.context.drain.begin()
            elif not self._has_disk():
                time.sleep(1)
            elif (found := super().dequeue_job_and_maintain_ttl(1, max_idle_time=1)) is not None:
                return found
        raise StopRequested

    def execute_job(self, job: RQJob, queue: Queue) -> None:
        """Make the video whose turn it is, if there is one. A ticket is not missed: the keeper counts them."""
        if not (isinstance(job, TicketJob) and job.is_ticket):
            log.error("entry.refused", entry=job.id)
            job.delete(remove_from_queue=False)
            return
        model = next(name for name, own in self.queue_of.items() if own.key == queue.key)
        self.turns.served(model)
        if (leased := self._next_job(model)) is not None:
            self._make(leased, queue)

    def _make(self, leased: Job, queue: Queue) -> None:
        entry = new_entry(self.connection, f"{leased.id}-{leased.handover}", queue, leased.id, kind=TicketJob)
        entry.save()
        with self.spool.attempt_dir() as room:
            attempt = AttemptRun(leased, self.context, room)
            token = ATTEMPT.set(attempt)
            try:
                super().execute_job(entry, queue)
            finally:
                ATTEMPT.reset(token)
        if isinstance(attempt.ending, EngineLost):
            self._lost[leased.id] = time.monotonic()
        sweep(self.context.settings.checkpoints, self.context.store)
        self._withdraw_broken()
        model = leased.request.model
        if not self.context.drain.has_begun and model in self.queue_of and self.context.engine.may_load(model):
            self.context.engine.start(model)  # if it died: loaded again before the next job comes

    def _withdraw_broken(self) -> None:
        """Serve no model any longer that the engine cannot load."""
        broken = self.context.engine.broken
        for model in self.queue_of.keys() & broken.keys():
            self.context.served.withdraw(model, broken[model])
            self.queues.remove(self.queue_of.pop(model))
            self.turns.remove(model)

    @property
    def has_no_model(self) -> bool:
        """Whether every model it served proved broken: then there is nothing to stay for."""
        return not self.queue_of

    def _next_job(self, model: str) -> Job | None:
        """The job whose turn it is, running under our name; None if no job waits or the worker has to go."""
        store, drain = self.context.store, self.context.drain
        while not drain.has_begun:
            job_id = retry_until_drained(lambda: store.first_waiting(model), drain)
            if job_id is None:
                return None
            if self._leaves_to_others(job_id, model):
                return None
            if (job := self._lease(job_id)) is not None:
                return job
        return None

    def _leaves_to_others(self, job_id: str, model: str) -> bool:
        """Whether we lost this job just now: then another worker, if one is alive, may find out whose fault it was."""
        if time.monotonic() - self._lost.get(job_id, float("-inf")) > LEAVE_FOR_S:
            self._lost.pop(job_id, None)
            return False
        if retry_until_drained(lambda: self.registry.live_workers(model), self.context.drain) < 2:
            return False
        reconcile_tickets(self.connection, model)  # our ticket is for whoever waits
        time.sleep(LEAVE_PAUSE_S)
        return True

    def _lease(self, job_id: str) -> Job | None:
        """The job, running under our name; None if another worker was faster, or it was withdrawn."""
        store, drain = self.context.store, self.context.drain
        if (job := retry_until_drained(lambda: store.lease(job_id, self.name), drain)) is not None:
            return job
        try:
            job = retry_until_drained(lambda: store.get(job_id), drain)
        except JobNotFound:
            return None
        # Redis may have gone away between the lease and its answer: nobody else has our name.
        return job if job.state is State.RUNNING and job.worker == self.name else None

    def _has_disk(self) -> bool:
        has_room = self.spool.free_bytes() >= self.context.settings.min_free_disk_bytes
        if not has_room and not self._told_disk_is_full:
            log.error("disk.full", folder=str(self.spool.folder), needed=self.context.settings.min_free_disk_bytes)
        self._told_disk_is_full = not has_room
        return has_room
