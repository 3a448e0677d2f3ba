"""A discrete-event simulation of one model's queue: arrivals, workers, spot interruptions and an autoscaler.

The order of waiting jobs is that of `jobs/queue/fair_queue.py`: start-time fair queueing with a turn for each job of a
caller and a head start for each priority, whose numbers are imported. The scripts themselves run in Redis, which a
simulation of a million jobs cannot call; a test compares both orders.
"""

import heapq
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import simpy

from jobs.model.states import Priority

REQUEUED = -(10**9)  # the turn of an interrupted job, which is next


@dataclass
class SimulatedJob:
    """One video. Times are in seconds since the start; `left_s` is the time of the remaining steps."""

    caller: str
    priority: Priority
    arrived_at: float
    left_s: float
    waited_s: float | None = None
    runs: int = 0


class SimulatedQueue:
    """Waiting jobs in the order of the fair queue."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, SimulatedJob]] = []
        self._arrivals = count()
        self._turn = 1000
        self._next: dict[tuple[Priority, str], int] = {}
        self._turns: dict[Priority, list[int]] = {priority: [] for priority in Priority}

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, job: SimulatedJob) -> None:
        """Adds a new job at its turn."""
        line, turns = (job.priority, job.caller), self._turns[job.priority]
        served = min(self._turn, turns[0]) if turns else self._turn
        turn = max(served, self._next.get(line, 0))
        self._next[line] = turn + 1
        heapq.heappush(turns, turn)
        heapq.heappush(self._heap, (turn - job.priority.head_start, next(self._arrivals), turn, job))

    def push_front(self, job: SimulatedJob) -> None:
        """Adds an interrupted job at the head."""
        heapq.heappush(self._heap, (REQUEUED, next(self._arrivals), REQUEUED, job))

    def pop(self) -> SimulatedJob:
        """Removes the next job."""
        _, _, turn, job = heapq.heappop(self._heap)
        if turn != REQUEUED:
            heapq.heappop(self._turns[job.priority])  # the turns of a priority leave in order
            self._turn = max(self._turn, turn)
        if not self._heap:  # an empty queue needs no turns
            self._turn, self._next = 1000, {}
        return job


@dataclass(frozen=True)
class Plan:
    """What is simulated. `work` draws the seconds of a video, `interarrival` those between two videos."""

    workers: int
    work: Callable[[Random], float]
    interarrival: Callable[[Random], float]
    jobs: int
    caller: Callable[[Random], str] = lambda _: "caller"
    priority: Callable[[Random], Priority] = lambda _: Priority.NORMAL
    step_s: float = 2.0
    interruptions_per_hour: float = 0.0
    notice_s: float = 60.0
    min_workers: int | None = None  # with an autoscaler: from here to `workers`
    poll_s: float = 15.0
    cold_start_s: float = 300.0
    seed: int = 7


@dataclass
class Figures:
    """What was counted."""

    finished: list[SimulatedJob] = field(default_factory=list)
    interruptions: int = 0
    lost_s: list[float] = field(default_factory=list)
    worker_s: float = 0.0
    ended_at: float = 0.0


class Simulation:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.random, self.figures = plan, Random(plan.seed), Figures()
        self.env, self.queue = simpy.Environment(), SimulatedQueue()
        self.idle: list[simpy.Event] = []
        self.starting = 0
        self.size = plan.workers if plan.min_workers is None else plan.min_workers
        self.running = 0

    def run(self) -> Figures:
        """Runs until all videos are finished."""
        self.done = self.env.event()
        self.env.process(self._arrivals())
        for _ in range(self.size):
            self.env.process(self._worker())
        if self.plan.min_workers is not None:
            self.env.process(self._autoscaler())
        self.env.run(self.done)
        self.figures.ended_at = self.env.now
        return self.figures

    def _arrivals(self) -> Iterator[simpy.Event]:
        plan, random = self.plan, self.random
        for _ in range(plan.jobs):
            yield self.env.timeout(plan.interarrival(random))
            job = SimulatedJob(plan.caller(random), plan.priority(random), self.env.now, plan.work(random))
            self.queue.push(job)
            self._wake()

    def _wake(self) -> None:
        if self.idle:
            self.idle.pop().succeed()

    def _worker(self) -> Generator[simpy.Event, Any, None]:
        """Takes videos. With an autoscaler it ends if there is no job for it."""
        while True:
            if not self.queue:
                if self.plan.min_workers is not None and self.size > self.plan.min_workers:
                    self.size -= 1
                    return
                event = self.env.event()
                self.idle.append(event)
                yield event
                continue
            job = self.queue.pop()
            if job.waited_s is None:
                job.waited_s = self.env.now - job.arrived_at
            yield from self._attempt(job)

    def _attempt(self, job: SimulatedJob) -> Generator[simpy.Event, Any, None]:
        """Runs the remaining steps; after an interruption the whole steps are kept, and a new host needs its start."""
        job.runs += 1
        self.running += 1
        rate = self.plan.interruptions_per_hour / 3600
        until = self.random.expovariate(rate) if rate else float("inf")
        used_s = min(until, job.left_s)
        yield self.env.timeout(used_s)
        self.running -= 1
        self.figures.worker_s += used_s
        if used_s == job.left_s:
            self._finish(job)
            return
        lost_s = used_s % self.plan.step_s
        job.left_s -= used_s - lost_s
        self.figures.interruptions += 1
        self.figures.lost_s.append(lost_s)
        self.queue.push_front(job)
        self._wake()
        yield self.env.timeout(self.plan.cold_start_s)

    def _finish(self, job: SimulatedJob) -> None:
        self.figures.finished.append(job)
        if len(self.figures.finished) == self.plan.jobs:
            self.done.succeed()

    def _autoscaler(self) -> Iterator[simpy.Event]:
        """One worker for each waiting and running video, as the ScaledObject of the chart: at most doubled in 30 s."""
        while True:
            yield self.env.timeout(self.plan.poll_s)
            wanted = min(self.plan.workers, len(self.queue) + self.running)
            most = max(2 * (self.size + self.starting), self.size + self.starting + 4)
            for _ in range(min(wanted, most) - self.size - self.starting):
                self.starting += 1
                self.env.process(self._start())

    def _start(self) -> Iterator[simpy.Event]:
        yield self.env.timeout(self.plan.cold_start_s)
        self.starting -= 1
        self.size += 1
        self.env.process(self._worker())
