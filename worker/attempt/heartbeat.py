"""Beats and progress of a running attempt: a thread that keeps the lease alive whatever the task is busy with.

What it learns in return (the attempt is lost, cancelled, or too late) is there to be asked for.
"""

import time
from collections import deque
from threading import Condition, Event, Thread

import structlog

from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.queue import wakeup
from jobs.redis.connection import redis_errors
from jobs.store.keeper.recovery import JobStore
from jobs.store.leases import HeartbeatReply
from worker.protocol.messages import Progress

log = structlog.get_logger()

LISTEN_S = 2.0  # at a time, so that a thread of an attempt that has ended goes soon
MIN_PAUSE_S = 0.04  # between two reports: what comes faster is told with the next


class Heartbeat:
    """From `start` to `close` the attempt beats. A Redis that is away is no reason to stop working."""

    def __init__(self, store: JobStore, job: Job, beat_s: float) -> None:
        self.store = store
        self.job_id = job.id
        self.token = job.token or ""
        self.beat_s = beat_s
        self.is_lost = Event()
        self.is_cancelled = Event()
        self.is_late = Event()
        self._untold: deque[Progress] = deque()
        self._last: Progress | None = None
        self._is_closed = False
        self._news = Condition()
        self._is_rung = False
        self._thread = Thread(target=self._run, name="reporter", daemon=True)
        self._ear = Thread(target=self._listen, name="bell", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()
        self._ear.start()

    def report(self, progress: Progress) -> None:
        """Have this written down at once; what was said before is not said again."""
        with self._news:
            if progress == self._last:
                return
            if self._untold and self._untold[-1].phase is progress.phase:
                self._untold.pop()
            self._last = progress
            self._untold.append(progress)
            self._news.notify()

    def close(self) -> None:
        """Write down what is left, and fall silent; the lease was renewed just now."""
        with self._news:
            self._is_closed = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join()
        if self._ear.is_alive():
            self._end_listening()

    def _end_listening(self) -> None:
        try:
            with redis_errors(), self.store.redis.pipeline() as pipe:
                wakeup.wake_worker(pipe, self.token)
                pipe.execute()
        except QueueUnavailable:  # then it ends by itself, after its next look
            return
        self._ear.join(LISTEN_S)

    def _run(self) -> None:
        while True:
            with self._news:
                if not (self._untold or self._is_closed or self._is_rung):
                    self._news.wait(self.beat_s)
                self._is_rung = False
                progress = self._untold.popleft() if self._untold else None
                is_last = self._is_closed and not self._untold
            has_arrived = self._say(progress)
            if is_last or (self._is_closed and not has_arrived):
                return
            time.sleep(MIN_PAUSE_S)

    def _listen(self) -> None:
        """Have the record looked at as soon as somebody rings, rather than with the next beat."""
        while not self._is_closed:
            try:
                has_rung = wakeup.wait_for_wakeup(self.store.redis, self.token, LISTEN_S)
            except QueueUnavailable:
                time.sleep(1.0)
                continue
            if has_rung:
                with self._news:
                    self._is_rung = True
                    self._news.notify()

    def _say(self, progress: Progress | None) -> bool:
        """Whether Redis has it now."""
        try:
            self._learn(self._report(progress))
        except QueueUnavailable:
            log.warning("redis.away", job_id=self.job_id)
            return False
        return True

    def _report(self, progress: Progress | None) -> HeartbeatReply:
        if progress is None:
            return self.store.heartbeat(self.job_id, self.token)
        return self.store.report(self.job_id, self.token, progress.phase, progress.step, progress.total_steps)

    def _learn(self, beat: HeartbeatReply) -> None:
        if not beat.is_ours:
            self.is_lost.set()
        if beat.cancel_requested:
            self.is_cancelled.set()
        if beat.is_late:
            self.is_late.set()
