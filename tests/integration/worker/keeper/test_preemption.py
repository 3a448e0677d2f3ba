"""The keeper asks for workers, and a simulation on a logical clock of short urgent jobs beside long ones.

The store, the fair queue and the keeper are real; only the workers are simulated.
"""

import hashlib
import heapq
import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from jobs.model.job import Job, new_job_id
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.model.states import Priority
from jobs.queue.pauses import Pauses
from jobs.queue.registry import Registry
from jobs.queue.workers import WorkerDirectory, WorkerEntry
from jobs.redis import keys
from jobs.store.keeper.preemption import MAX_PREEMPTIONS
from jobs.version import VERSION
from tests.clock import Clock
from tests.job_store import JobStore
from tests.small_result import small_result
from worker.keeper.preemption import FREE_FOR_S, PREEMPTION_SWEEP_S, PreemptionSweeper

MODEL = "easyanimate-v3-tiny"
Submit = Callable[..., Job]
SEED = 23


@pytest.fixture
def announce(store: JobStore, card: ModelCard) -> Callable[..., None]:
    """Announces live workers of this release."""

    def announce(*names: str, **changes: Any) -> None:
        for name in names:
            models = {"models": (MODEL,), "loaded_models": (MODEL,), "version": VERSION}
            entry = {"name": name, "host": "h", "pid": 1, "started_at": 1.0} | models | changes
            Registry(store.redis).announce(card, name)
            WorkerDirectory(store.redis).announce(WorkerEntry.model_validate(entry))

    return announce


@pytest.fixture
def submit_as(store: JobStore, make_request: Callable[..., VideoRequest]) -> Submit:
    """Submits a job with this priority."""

    def submit_as(priority: Priority = Priority.NORMAL, owner: str = "me", **changes: Any) -> Job:
        request = make_request("a red ball", **changes)
        job = Job(id=new_job_id(), owner=owner, request=request, created_at=store.now(), priority=priority)
        return store.submit(job)

    return submit_as


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sweeper(store: JobStore, clock: Clock) -> PreemptionSweeper:
    return PreemptionSweeper(store.table, clock.monotonic)


def leased(store: JobStore, job: Job, worker: str) -> Job:
    running = store.lease(job.id, worker)
    assert running is not None
    return running


def requests_of(store: JobStore, *jobs: Job) -> list[str | None]:
    return [store.get(job.id).preempted_for for job in jobs]


def test_requests_are_for_waiting_jobs_of_higher_priority_only(
    store: JobStore, sweeper: PreemptionSweeper, submit_as: Submit, announce: Callable[..., None]
) -> None:
    announce("a", "b")
    low, normal = leased(store, submit_as(Priority.LOW), "a"), leased(store, submit_as(), "b")
    submit_as(Priority.LOW)
    sweeper.sweep()
    assert requests_of(store, low, normal) == [None, None]
    second = submit_as()
    sweeper.sweep()
    assert requests_of(store, low, normal) == [second.id, None]
    urgent = submit_as(Priority.HIGH)
    sweeper.sweep()
    sweeper.sweep()
    assert requests_of(store, low, normal) == [second.id, urgent.id]


def test_an_urgent_job_is_not_hidden_by_a_job_that_came_back(
    store: JobStore, sweeper: PreemptionSweeper, submit_as: Submit, announce: Callable[..., None]
) -> None:
    announce("a")
    drained = leased(store, submit_as(), "b")
    store.release(drained.id, drained.token or "")
    running, urgent = leased(store, submit_as(), "a"), submit_as(Priority.HIGH)
    assert store.first_waiting(MODEL) == drained.id
    sweeper.sweep()
    assert requests_of(store, running) == [urgent.id]


def test_a_free_worker_leases_the_job_unless_it_does_not_within_seconds(
    store: JobStore, sweeper: PreemptionSweeper, submit_as: Submit, announce: Callable[..., None], clock: Clock
) -> None:
    announce("a", "b")
    running, urgent = leased(store, submit_as(), "a"), submit_as(Priority.HIGH)
    sweeper.sweep()
    assert requests_of(store, running) == [None]
    clock.now += FREE_FOR_S
    sweeper.sweep()
    assert requests_of(store, running) == [urgent.id]


def test_a_worker_of_a_release_without_entries_may_be_free(
    store: JobStore, sweeper: PreemptionSweeper, submit_as: Submit, announce: Callable[..., None], card: ModelCard
) -> None:
    announce("a")
    Registry(store.redis).announce(card, "old")
    running, urgent = leased(store, submit_as(), "a"), submit_as(Priority.HIGH)
    sweeper.sweep()
    assert requests_of(store, running) == [None]
    old = leased(store, submit_as(Priority.LOW), "old")  # it does not know requests
    sweeper.sweep()
    assert requests_of(store, running, old) == [urgent.id, None]


def test_nothing_is_requested_for_a_paused_queue(
    store: JobStore, sweeper: PreemptionSweeper, submit_as: Submit, announce: Callable[..., None]
) -> None:
    announce("a")
    running, urgent = leased(store, submit_as(), "a"), submit_as(Priority.HIGH)
    Pauses(store.redis).pause(MODEL)
    sweeper.sweep()
    assert requests_of(store, running) == [None]
    Pauses(store.redis).resume(MODEL)
    sweeper.sweep()
    assert requests_of(store, running) == [urgent.id]
    Pauses(store.redis).pause(MODEL)
    sweeper.sweep()
    assert requests_of(store, running) == [None]


def test_one_unreadable_record_does_not_stop_the_others(
    store: JobStore, sweeper: PreemptionSweeper, submit_as: Submit, announce: Callable[..., None]
) -> None:
    announce("a", "b")
    damaged, running = leased(store, submit_as(Priority.LOW), "a"), leased(store, submit_as(), "b")
    store.redis.hset(f"job:{damaged.id}", "request", "{")
    hidden, urgent = submit_as(Priority.HIGH), submit_as(Priority.HIGH)
    store.redis.hset(f"job:{hidden.id}", "request", "{")
    sweeper.sweep()
    sweeper.sweep()
    assert requests_of(store, running) == [urgent.id]


# ---- the simulation

STEP_S, SLICE_S, SWAP_S = 4.0, 1.0, 2.0  # a step, a slice of decoding, a checkpoint and the start of another job
STEPS, SLICES = 20, 4  # of a window
PARTS = STEPS + SLICES
WINDOW_S = STEPS * STEP_S + SLICES * SLICE_S
LONG, SHORT = 20, 1  # windows
MAX_WAIT_S = STEP_S + SWAP_S + PREEMPTION_SWEEP_S
MEAN_S = {SHORT: 400.0, LONG: 2500.0}  # between two arrivals: workers are busy for 88 % of the time
HOURS = 5


@dataclass
class Work:
    """A job in the simulation. `done` are the finished steps and slices; `digest` chains them, as a file would."""

    windows: int
    arrived_at: float = 0.0
    is_alone: bool = False  # no other urgent job waits or runs, and a worker is free or can be preempted
    done: int = 0
    digest: bytes = b""
    saved: tuple[int, bytes] = 0, b""
    run_s: float = 0.0
    preemptions: int = 0
    leased_at: float | None = None
    ended_at: float | None = None
    waits: list[list[float]] = field(default_factory=list)  # after each preemption: begin and end

    @property
    def is_finished(self) -> bool:
        return self.done == self.windows * PARTS

    def advance(self) -> float:
        """Makes the next step or slice; returns its seconds. Slices are not saved until their window is complete."""
        self.digest = hashlib.sha256(self.digest + b"%d" % self.done).digest()
        is_step = self.done % PARTS < STEPS
        self.done += 1
        if is_step or self.done % PARTS == 0:
            self.saved = self.done, self.digest
        self.run_s += STEP_S if is_step else SLICE_S
        return STEP_S if is_step else SLICE_S

    def stop(self) -> float:
        """Goes back to the saved state; returns the seconds until the worker has handed the job back."""
        self.done, self.digest = self.saved
        self.preemptions += 1
        return SWAP_S


def solitary(windows: int) -> Work:
    """The work without an interruption."""
    work = Work(windows)
    while not work.is_finished:
        work.advance()
    return work


class Simulation:
    """Processes on a logical clock: each yields the seconds until it goes on, and None to wait for an arrival."""

    def __init__(self, store: JobStore, submit_as: Submit) -> None:
        self.store, self.submit_as = store, submit_as
        self.now = 0.0
        store.table.now = lambda: 1000.0 + self.now  # type: ignore[method-assign]
        self.sweeper = PreemptionSweeper(store.table, lambda: self.now)
        self.works: dict[str, Work] = {}
        self.urgent_leases: list[float] = []
        self._requests: dict[str, str] = {}
        self._events: list[tuple[float, int, Iterator[float | None]]] = []
        self._numbers = count()
        self._parked: list[Iterator[float | None]] = []

    def start(self, process: Iterator[float | None], delay_s: float = 0.0) -> None:
        heapq.heappush(self._events, (self.now + delay_s, next(self._numbers), process))

    def run(self) -> None:
        while self._events:
            self.now, _, process = heapq.heappop(self._events)
            delay_s = next(process, -1.0)
            if delay_s is None:
                self._parked.append(process)
            elif delay_s >= 0:
                self.start(process, delay_s)

    def arrivals(self, priority: Priority, windows: int, rng: random.Random) -> Iterator[float | None]:
        """A Poisson stream of jobs of three callers."""
        while True:
            yield rng.expovariate(1 / MEAN_S[windows])
            if self.now > HOURS * 3600:
                return
            job = self.submit_as(priority, owner=f"{priority}-{rng.randrange(3)}")
            self.works[job.id] = Work(windows, self.now, self._is_alone())
            self.start(self.keeper(), PREEMPTION_SWEEP_S)
            parked, self._parked = self._parked, []
            for worker in parked:
                self.start(worker)

    def _is_alone(self) -> bool:
        open_works = {job_id: work for job_id, work in self.works.items() if work.ended_at is None}
        victims = [work.leased_at is not None and work.preemptions < MAX_PREEMPTIONS for work in open_works.values()]
        return all(work.windows == LONG for work in open_works.values()) and (bool(self._parked) or any(victims))

    def keeper(self) -> Iterator[float | None]:
        """One sweep; between the events of the simulation further sweeps would change nothing."""
        self.sweeper.sweep()
        self._requests = {victim: urgent for urgent, victim in self.sweeper.jobs.pending().items()}
        yield from ()

    def worker(self, name: str) -> Iterator[float | None]:
        """Leases the next job, or after a preemption the urgent one."""
        urgent_id = None
        while True:
            if (job := self._lease(name, urgent_id)) is None:
                yield None
            urgent_id = (yield from self._attempt(job)) if job else None

    def _lease(self, name: str, urgent_id: str | None) -> Job | None:
        job = self.store.lease(urgent_id, name) if urgent_id else None
        if job is None and (job_id := self.store.first_waiting(MODEL)) is not None:
            job = self.store.lease(job_id, name)
        if job is not None:
            work = self.works[job.id]
            if work.leased_at is None:
                work.leased_at = self.now
            elif work.waits:
                work.waits[-1].append(self.now)
            self.urgent_leases += [self.now] if job.priority is Priority.HIGH else []
            self.start(self.keeper(), PREEMPTION_SWEEP_S)
        return job

    def _attempt(self, job: Job) -> Generator[float | None, None, str | None]:
        work, token = self.works[job.id], job.token or ""
        while not work.is_finished:
            yield work.advance()
            urgent_id = self._requests.get(job.id)
            if urgent_id is not None and not work.is_finished:
                assert self.store.heartbeat(job.id, token).preempted_for == urgent_id
                yield work.stop()
                assert self.store.preempt(job.id, token)
                work.waits.append([self.now])
                return urgent_id
        assert self.store.complete(job.id, token, RESULT.model_copy(update={"video_key": job.id}))
        work.ended_at = self.now
        return None


RESULT = small_result("", phase_seconds={"denoising": 1.0})


@pytest.mark.parametrize("workers", [1, 2])
def test_urgent_jobs_wait_a_step_and_a_swap_and_long_ones_lose_at_most_one_percent(
    store: JobStore, submit_as: Submit, announce: Callable[..., None], workers: int
) -> None:
    simulation, rng = Simulation(store, submit_as), random.Random(SEED)
    names = [f"w{number}" for number in range(workers)]
    announce(*names)
    for name in names:
        for key in (keys.WORKERS_EXPIRY_KEY, keys.workers_key(MODEL)):
            store.redis.zadd(key, {name: 1e12})  # they do not expire during the simulation
        simulation.start(simulation.worker(name))
    for _ in names:
        simulation.start(simulation.arrivals(Priority.HIGH, SHORT, rng))
        simulation.start(simulation.arrivals(Priority.NORMAL, LONG, rng))
    simulation.run()
    works = list(simulation.works.values())
    short, long = ([work for work in works if work.windows == windows] for windows in (SHORT, LONG))
    alone = [work for work in short if work.is_alone]
    assert len(alone) > len(short) / 4
    assert sum(work.preemptions for work in long) > 10
    _wait_no_longer_than_a_step_and_a_swap(alone)
    _have_the_file_of_a_solitary_run(works)
    _end_within_their_bound(long, simulation.urgent_leases)


def _wait_no_longer_than_a_step_and_a_swap(alone: list[Work]) -> None:
    assert max((work.leased_at or 0.0) - work.arrived_at for work in alone) <= MAX_WAIT_S


def _have_the_file_of_a_solitary_run(works: list[Work]) -> None:
    expected = {windows: solitary(windows) for windows in (SHORT, LONG)}
    for work in works:
        clean = expected[work.windows]
        extra_s = work.run_s - clean.run_s + work.preemptions * SWAP_S
        assert work.ended_at is not None
        assert (work.digest, work.preemptions <= MAX_PREEMPTIONS) == (clean.digest, True)
        assert extra_s <= 0.01 * clean.run_s


def _end_within_their_bound(long: list[Work], urgent_leases: list[float]) -> None:
    """Each wait lasts as long as the urgent jobs that were leased in it; the whole run no longer than these waits."""
    for work in long:
        waits_s = sum(end - begin for begin, end in work.waits)
        for begin, end in work.waits:
            urgent = sum(begin <= at < end for at in urgent_leases)
            assert end - begin <= urgent * SHORT * WINDOW_S + 1e-6
        assert (work.ended_at or 0.0) - (work.leased_at or 0.0) <= 1.01 * LONG * WINDOW_S + waits_s
