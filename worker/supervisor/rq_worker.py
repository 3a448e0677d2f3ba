"""The adapter to RQ: takes tickets from its queues and shows the worker in `rq info`, idle or busy with a ticket.

It calls public methods of RQ's worker and does not run `Worker.work()`. That loop installs signal handlers that raise
between any two statements, accepts remote commands, and calls functions whose names are read from Redis.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import ResponseError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout, DeserializationError
from rq.executions import Execution
from rq.job import Job as RQJob
from rq.serializers import JSONSerializer
from rq.suspension import is_suspended
from rq.worker import WorkerStatus
from rq.worker_registration import clean_worker_registry

from jobs.errors import QueueUnavailable, RecordUnreadable
from jobs.queue.tickets import TASK, queue_name, reconcile_tickets
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import SetAside, report_unreadable

log = structlog.get_logger()

WAIT_S = 1  # for a ticket; then signals and the engine's messages are processed
WORKER_TTL_S = 20  # RQ keeps the entry of a worker for a minute more


@dataclass(frozen=True)
class QueueTicket:
    """An entry that was taken from the queue of a model."""

    entry: RQJob
    model: str

    @property
    def is_valid(self) -> bool:
        """Whether the entry names the task of tickets and nothing else."""
        entry = self.entry
        try:
            return (entry.func_name, entry.instance, list(entry.args), dict(entry.kwargs)) == (TASK, None, [], {})
        except DeserializationError:
            return False


class TicketQueue(Queue):
    """A queue of RQ whose entries are removed when a worker takes them."""

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:
        """Removes the next entry of the queue and returns it."""
        # RQ moves it to an intermediate list, which only its own work loop clears. The keeper replaces a lost ticket.
        return cls.lpop([queue_key], timeout, connection=connection)


class RQWorker:
    """The entry of this worker in RQ, and the queues of its models. Methods may raise QueueUnavailable."""

    def __init__(self, name: str, redis: Redis, models: Iterable[str]) -> None:
        self.redis = redis
        with redis_errors():
            self._queues = {model: _open_queue(redis, model) for model in models}
            self._worker = SimpleWorker(
                list(self._queues.values()),
                name=name,
                connection=redis,
                serializer=JSONSerializer,
                worker_ttl=WORKER_TTL_S,
            )
        self._unreadable = SetAside(redis, "queue")  # models whose queue holds a value of another type
        self._running: tuple[RQJob, Execution] | None = None
        self.is_suspended = False

    def register(self) -> None:
        """Adds the worker to RQ's list, from which those that were killed are removed."""
        with redis_errors():
            with suppress(ValueError):  # the entry exists: the reply to an earlier call was lost
                self._worker.register_birth()
            for queue in self._queues.values():
                clean_worker_registry(queue)
                # Executions of killed workers. RQ's own cleanup would call functions whose names are read from Redis.
                self.redis.zremrangebyscore(queue.started_job_registry.key, 0, time.time())

    def unregister(self) -> None:
        """Removes the worker from RQ's list; when Redis is away, its entry expires."""
        with suppress(QueueUnavailable), redis_errors():
            self._worker.register_death()

    def wait_for_ticket(self, models: Sequence[str]) -> QueueTicket | None:
        """Waits up to a second for an entry in the queues of `models`, in this order; they may be none."""
        with redis_errors():
            self.is_suspended = is_suspended(self.redis, self._worker)  # by `rq suspend`; it is RQ's heartbeat, too
            if self.is_suspended:
                self._worker.set_state(WorkerStatus.SUSPENDED)
                time.sleep(WAIT_S)
                return None
            self._worker.set_state(WorkerStatus.IDLE)
            readable = self._unreadable.others(models)
            if not readable:
                time.sleep(WAIT_S)
                return None
            queues = [self._queues[model] for model in readable]
            try:
                result = TicketQueue.dequeue_any(queues, WAIT_S, self.redis, serializer=JSONSerializer)
            except DequeueTimeout:
                return None
            except ValueError:  # RQ cannot parse the entry; it is removed already
                log.exception("entry.unreadable")
                return None
            except ResponseError as error:
                self._set_aside_unreadable(readable, error)
                return None
        if result is None:
            return None
        entry, queue = result
        return QueueTicket(entry, next(model for model, own in self._queues.items() if own.key == queue.key))

    def _set_aside_unreadable(self, models: Iterable[str], error: ResponseError) -> None:
        """Sets the queues aside that hold a value of another type. Raises `error` if none does."""
        unreadable = [model for model in models if self.redis.type(self._queues[model].key) not in (b"list", b"none")]
        if not unreadable:
            raise error
        for model in unreadable:
            self._unreadable.add(model, error)

    def refuse(self, ticket: QueueTicket) -> None:
        """Deletes an entry that is not valid; nothing that it names is imported or called."""
        log.error("entry.refused", entry=ticket.entry.id)
        with redis_errors():
            ticket.entry.delete(remove_from_queue=False)

    def restore_ticket(self, model: str) -> None:
        """Adds the ticket of a job that this worker leaves to others."""
        with redis_errors():
            reconcile_tickets(self.redis, model)

    @contextmanager
    def busy_with(self, ticket: QueueTicket) -> Iterator[None]:
        """Inside, RQ shows the worker as busy with `ticket`. This only informs operators, so Redis may be away."""
        with suppress(QueueUnavailable), redis_errors():
            self._running = ticket.entry, self._worker.prepare_execution(ticket.entry)
        try:
            yield
        finally:
            running, self._running = self._running, None
            if running is not None:
                with suppress(QueueUnavailable), redis_errors():
                    self._end_execution(*running)

    def heartbeat(self) -> None:
        """Renews what RQ stores of a busy worker, which expires after some minutes. Another thread may call this."""
        if (running := self._running) is not None:
            with redis_errors():
                self._worker.maintain_heartbeats(*running)

    def _end_execution(self, entry: RQJob, execution: Execution) -> None:
        with self.redis.pipeline() as pipe:
            self._worker.increment_successful_job_count(pipe)
            self._worker.cleanup_execution(entry, pipe, execution)
            self._worker.set_state(WorkerStatus.IDLE, pipe)
            pipe.execute()


def _open_queue(redis: Redis, model: str) -> TicketQueue:
    """The queue of this model, with as many tickets as there are waiting jobs."""
    try:
        with redis_errors():
            reconcile_tickets(redis, model)
    except RecordUnreadable as error:
        report_unreadable(redis, "queue", model, error)
    return TicketQueue(queue_name(model), connection=redis, serializer=JSONSerializer)
