"""Renews the lease of a running attempt and reports its progress, in threads of its own.

The replies set events: the lease was lost, the job was cancelled, or its deadline has passed. They also say for which
urgent job the attempt is asked to stop.
"""

import time
from collections import deque
from threading import Condition, Event, Thread

import structlog

from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.queue import wakeup
from jobs.redis.connection import redis_errors
from jobs.store.leases import WorkerJobs
from worker.protocol.messages import Progress

log = structlog.get_logger()

LISTEN_S = 1.0  # per call, so that the thread of an ended attempt exits soon
MIN_PAUSE_S = 0.04  # between two reports; faster progress is merged into the next one
REDIS_PAUSE_S = 1.0


class Heartbeat:
    """From `start` to `close` it renews the lease every `beat_s` seconds. The attempt continues while Redis is away."""

    def __init__(self, store: WorkerJobs, job: Job, beat_s: float) -> None:
        self.store = store
        self.job_id = job.id
        self.token = job.token or ""
        self.beat_s = beat_s
        self.is_lost = Event()
        self.is_cancelled = Event()
        self.is_late = Event()
        self.preempted_for: str | None = None  # the request may be withdrawn
        self._unsent: deque[Progress] = deque()
        self._last: Progress | None = None
        self._is_closed = False
        self._is_woken = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)
        self._wakeup_thread = Thread(target=self._listen, name="wakeup", daemon=True)

    @property
    def is_dead(self) -> bool:
        """Whether the thread that renews the lease ended by itself, which must not happen."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._is_closed

    def start(self) -> None:
        """Starts the threads. No error of Redis ends them."""
        self._thread.start()
        self._wakeup_thread.start()

    def report(self, progress: Progress) -> None:
        """Sends new progress at once; equal progress is not sent again."""
        with self._changed:
            if progress == self._last:
                return
            if self._unsent and self._unsent[-1].phase is progress.phase:
                self._unsent.pop()
            self._last = progress
            self._unsent.append(progress)
            self._changed.notify()

    def close(self) -> None:
        """Sends the unsent progress, which renews the lease once more, and stops the threads."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        if self._wakeup_thread.is_alive():
            self._end_listening()

    def _end_listening(self) -> None:
        try:
            with redis_errors(), self.store.table.redis.pipeline() as pipe:
                wakeup.wake_worker(pipe, self.token)
                pipe.execute()
        except QueueUnavailable:  # then the thread exits after `LISTEN_S`
            return
        self._wakeup_thread.join(LISTEN_S)

    def _run(self) -> None:
        is_sent = True
        while True:
            with self._changed:
                if not (self._unsent or self._is_closed or self._is_woken):
                    self._changed.wait(self.beat_s if is_sent else self.beat_s / 2)
                self._is_woken = False
                progress = self._unsent.popleft() if self._unsent else None
                is_last = self._is_closed and not self._unsent
            is_sent = self._send(progress)
            if is_last or (self._is_closed and not is_sent):
                return
            time.sleep(MIN_PAUSE_S)

    def _listen(self) -> None:
        """Waits for wake-ups, so that a cancel is read at once and not with the next heartbeat."""
        while not self._is_closed:
            try:
                is_woken = wakeup.wait_for_wakeup(self.store.table.redis, self.token, LISTEN_S)
            except Exception as error:  # noqa: BLE001  without this thread, a cancel arrives with the next heartbeat only
                _log_error(error, self.job_id)
                time.sleep(REDIS_PAUSE_S)
                continue
            if is_woken:
                with self._changed:
                    self._is_woken = True
                    self._changed.notify()

    def _send(self, progress: Progress | None) -> bool:
        """Sends a heartbeat, with progress if there is any; returns whether Redis has it."""
        attempt = self.job_id, self.token
        try:
            if progress is None:
                reply = self.store.heartbeat(*attempt)
            else:
                reply = self.store.report(*attempt, progress.phase, progress.step, progress.total_steps)
        except Exception as error:  # noqa: BLE001  without this thread the lease of a healthy job would expire
            _log_error(error, self.job_id)
            return False
        if not reply.is_held:
            self.is_lost.set()
        if reply.cancel_requested:
            self.is_cancelled.set()
        if reply.is_late:
            self.is_late.set()
        self.preempted_for = reply.preempted_for
        return True


def _log_error(error: Exception, job_id: str) -> None:
    if isinstance(error, QueueUnavailable):
        log.warning("redis.away", job_id=job_id)
    else:
        log.error("heartbeat.failed", job_id=job_id, exc_info=error)
