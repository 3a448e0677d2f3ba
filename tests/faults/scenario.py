"""A scenario: a fault is injected while jobs are in different phases; all jobs must end as without it."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from jobs.model.job import Job
from jobs.model.states import Phase, State
from jobs.store.attempt_log import Attempt
from tests.faults.installation import Installation, wait_until
from tests.faults.invariants import Invariants, Request

Action = Callable[[Installation], None]
Hits = Callable[[Installation, str, str], int]  # of the worker with this name, and of the job with this id
IMAGE = (  # a red image, so that the phase of loading has an input to download
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mM4ISdHU8QwasGoBaMWjFowasGo"
    "BaMWjFowasGoBaMWDBULACXLED1gHZEpAAAAAElFTkSuQmCC"
)
SMALL: Request = {"size": "32x32", "num_frames": 8, "num_inference_steps": 2, "seed": 7}
WITH_IMAGE: Request = SMALL | {"image": IMAGE}
LONG: Request = {"size": "64x64", "num_frames": 16, "num_inference_steps": 100, "seed": 7}
LAST_PHASE = "committing"  # a job may end before the fault has an effect
MAX_WAIT_FOR_HITS_S = 60.0
BIG: Request = {"size": "128x128", "num_frames": 24, "num_inference_steps": 2, "seed": 7}


@dataclass(frozen=True)
class Setup:
    """How a job gets into a phase: held at a crash point, or running until the phase is reported."""

    request: Request
    point: str | None = None
    phase: Phase | None = None
    step: int = 0


SETUPS = {  # in this order, the held jobs first
    "loading": Setup(WITH_IMAGE, point="worker.leased"),
    "uploading": Setup(SMALL, point="worker.made"),
    "committing": Setup(SMALL, point="worker.uploaded"),
    "denoising": Setup(LONG, phase=Phase.DENOISING, step=4),
    "decoding": Setup(BIG, phase=Phase.DECODING),
    "queued": Setup(SMALL),
}


@dataclass(frozen=True)
class Outcome:
    """The result for one job.

    `recovered_s` is the time from the end of the fault until the job resumed; None if it had ended by then.
    `steps_repeated` is None if the job had one attempt. `hits` counts what the fault met; a fault without an effect is
    a failure, except in the last phase.
    """

    fault: str
    phase: str
    recovered_s: float | None
    attempts: int
    steps_repeated: int | None
    hits: int

    def __post_init__(self) -> None:
        assert self.hits > 0 or self.phase == LAST_PHASE, f"{self.fault}, {self.phase}: the fault met nothing"


def hits_of_signals(installation: Installation, worker: str, job_id: str) -> int:
    """The hits of a fault that sends signals to workers or their engines."""
    return installation.signalled[worker]


@dataclass(frozen=True)
class Fault:
    """A pair of actions; the repair follows `duration_s` after the fault, or later, when each job has met it.

    With `costs_no_attempt`, no job may need a second attempt. `hits` counts what the fault met so far.
    """

    name: str
    inject: Action
    repair: Action
    duration_s: float = 0.0
    costs_no_attempt: bool = False
    hits: Hits = hits_of_signals


def run_scenario(
    installation: Installation, invariants: Invariants, fault: Fault, phases: tuple[str, ...] = tuple(SETUPS)
) -> list[Outcome]:
    """Injects a fault while one job is in each of these phases; returns their outcomes.

    The installation needs a worker for each phase except the queue.
    """
    for phase in phases:
        invariants.record_expected(SETUPS[phase].request)
    jobs = {phase: _set_up(installation, SETUPS[phase]) for phase in phases}
    count_hits = _hit_counter(installation, fault, jobs)
    try:
        fault.inject(installation)
    finally:
        installation.resume()
    time.sleep(fault.duration_s)
    with suppress(AssertionError):  # the outcome of a job without a hit is a failure
        wait_until(lambda: _all_hit(count_hits()), "the fault meets all jobs", MAX_WAIT_FOR_HITS_S)
    hits = count_hits()
    repaired_at = time.monotonic()
    fault.repair(installation)
    recovered = _wait_for_all(installation, jobs, repaired_at)
    for phase, job_id in jobs.items():
        invariants.check(job_id, SETUPS[phase].request)
    invariants.check_installation()
    return [
        _outcome(installation, fault, phase, job_id, recovered[phase], hits[phase]) for phase, job_id in jobs.items()
    ]


def _hit_counter(installation: Installation, fault: Fault, jobs: dict[str, str]) -> Callable[[], dict[str, int]]:
    """Returns a function that counts the hits from now on, by phase. For a waiting job any worker may be hit."""
    workers = {
        phase: [installation.worker_of(job_id)] if phase != "queued" else installation.worker_names
        for phase, job_id in jobs.items()
    }

    def count() -> dict[str, int]:
        return {phase: max(fault.hits(installation, name, jobs[phase]) for name in workers[phase]) for phase in jobs}

    before = count()
    return lambda: {phase: hits - before[phase] for phase, hits in count().items()}


def _all_hit(hits: dict[str, int]) -> bool:
    return all(count for phase, count in hits.items() if phase != LAST_PHASE)


def _set_up(installation: Installation, setup: Setup) -> str:
    if setup.point:
        installation.hold_at(setup.point)
    job_id = installation.submit(setup.request)
    if setup.point:
        installation.wait_for_held(setup.point)
    if setup.phase:
        installation.wait_for(job_id, setup.phase, setup.step)
    return job_id


def _wait_for_all(installation: Installation, jobs: dict[str, str], since: float) -> dict[str, float | None]:
    """The seconds from `since` until the job of each phase resumed; None if it had ended before."""
    before: dict[str, Job] = {}
    recovered: dict[str, float | None] = {}

    def all_resumed() -> bool:
        for phase, job_id in jobs.items():
            job = installation.get(job_id)
            if phase not in before and job.state.is_final:
                recovered[phase] = None
            before.setdefault(phase, job)
            resumed = job.state.is_final or job.state is State.RUNNING
            if phase not in recovered and resumed and job.version != before[phase].version:
                recovered[phase] = round(time.monotonic() - since, 1)
        return len(recovered) == len(jobs)

    wait_until(all_resumed, f"all of {jobs} resume")
    return recovered


def _outcome(
    installation: Installation, fault: Fault, phase: str, job_id: str, recovered_s: float | None, hits: int
) -> Outcome:
    attempts = installation.store.attempts(job_id)
    if fault.costs_no_attempt:
        assert installation.get(job_id).attempt == 1, f"{phase}: {attempts}"
    repeated = None
    if len(attempts) > 1:
        repeated = steps_repeated(attempts)
    return Outcome(fault.name, phase, recovered_s, len(attempts), repeated, hits)


def steps_repeated(attempts: list[Attempt]) -> int:
    """Counts the denoising steps that an attempt reported and the next one repeated. Later phases count frames."""
    return sum(
        max(0, attempt.step - (following.resumed_step or 0))
        for attempt, following in pairwise(attempts)
        if attempt.phase is Phase.DENOISING
    )
