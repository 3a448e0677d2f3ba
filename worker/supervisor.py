"""The supervisor: an RQ worker that never imports torch. It leases a job, has the engine make it, and stays in charge.

RQ brings the job's id and takes it off the queue; who may do it, how it stands and how it ended is in the record.
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
from jobs.queue import queue_name
from jobs.record import Job
from jobs.states import State
from worker.attempt import Attempt, Parts
from worker.drain import Drain
from worker.endings import ModelBroken
from worker.entry import Entry
from worker.patience import patiently
from worker.spool import Spool
from worker.tasks import ATTEMPT

log = structlog.get_logger()

LAST_WORDS_S = 15.0  # after the drain: to give the job back and say goodbye; then the process ends all the same


def new_worker_name() -> str:
    """A name no other worker ever had."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def leave(drain: Drain) -> None:
    """Begin the end. Redis may be away, and whoever waits for it deaf: that must not keep us for ever.

    Safe in a signal handler, so it takes no lock, as starting a `Thread` would.
    """
    drain.begin()
    start_new_thread(_end_after, (drain.remaining_s + LAST_WORDS_S,))


def _end_after(seconds: float) -> None:
    time.sleep(seconds)
    os._exit(1)


class Supervisor(SimpleWorker):
    """One worker of one model. `redis` must be patient: a worker with a loaded model waits for it to come back."""

    job_class = Entry
    log_result_lifespan = False
    max_connection_wait_time = 3.0

    def __init__(self, name: str, redis: Redis, parts: Parts, spool: Spool) -> None:
        queue = Queue(queue_name(parts.settings.model), connection=redis, serializer=JSONSerializer, job_class=Entry)
        super().__init__(
            [queue],
            name=name,
            connection=redis,
            serializer=JSONSerializer,
            worker_ttl=30,
            maintenance_interval=60,
            log_job_description=False,
        )
        self.parts = parts
        self.spool = spool
        self.is_model_broken = False
        self._told_disk_is_full = False

    def subscribe(self) -> None:
        """RQ's remote commands are not for us: cancel and stop are in the record."""

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """A signal: take no further job, and let the running one go on for the grace; the second ends that."""
        leave(self.parts.drain)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[RQJob, Queue]:
        """The next entry. Looks up every second, so that a signal never has to interrupt us between two steps."""
        while not self.parts.drain.has_begun:
            if not self._has_disk():
                time.sleep(1)
            elif (found := super().dequeue_job_and_maintain_ttl(1, max_idle_time=1)) is not None:
                return found
        raise StopRequested

    def execute_job(self, job: RQJob, queue: Queue) -> None:
        """Lease the job of this entry and make it; the entry goes when that is settled, however it ended."""
        job_id = job.video_job_id if isinstance(job, Entry) else None
        if job_id is None:
            log.error("entry.refused", entry=job.id)
            self._drop(job, queue)
        elif self.parts.drain.has_begun:
            self._put_back(job, queue)
        elif (leased := self._lease(job_id)) is None:
            self._drop(job, queue)
        else:
            self._make(leased, job, queue)

    def _make(self, leased: Job, entry: RQJob, queue: Queue) -> None:
        with self.spool.room() as room:
            attempt = Attempt(leased, self.parts, room)
            token = ATTEMPT.set(attempt)
            try:
                super().execute_job(entry, queue)
            finally:
                ATTEMPT.reset(token)
        if isinstance(attempt.ending, ModelBroken):
            self.is_model_broken = True
            self.parts.drain.begin()
        if not self.parts.drain.has_begun:
            self.parts.engine.start()  # if it died: loaded again before the next job comes

    def _lease(self, job_id: str) -> Job | None:
        """The job, running under our name; None if it waits no longer."""
        store, drain = self.parts.store, self.parts.drain
        if (job := patiently(lambda: store.lease(job_id, self.name), drain)) is not None:
            return job
        try:
            job = patiently(lambda: store.get(job_id), drain)
        except JobNotFound:
            return None
        # Redis may have gone away between the lease and its answer: nobody else has our name.
        return job if job.state is State.RUNNING and job.worker == self.name else None

    def _drop(self, entry: RQJob, queue: Queue) -> None:
        """The entry is of no use (any more)."""
        queue.intermediate_queue.remove(entry.id)
        entry.delete(remove_from_queue=False)

    def _put_back(self, entry: RQJob, queue: Queue) -> None:
        """The entry came while we were leaving: to the head of the queue with it."""
        with self.connection.pipeline(transaction=True) as pipe:
            pipe.lrem(queue.intermediate_queue_key, 1, entry.id)
            pipe.lpush(queue.key, entry.id)
            pipe.execute()

    def _has_disk(self) -> bool:
        has_room = self.spool.free_bytes() >= self.parts.settings.min_free_disk_bytes
        if not has_room and not self._told_disk_is_full:
            log.error("disk.full", folder=str(self.spool.folder), needed=self.parts.settings.min_free_disk_bytes)
        self._told_disk_is_full = not has_room
        return has_room
