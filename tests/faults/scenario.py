"""A scene: jobs stand side by side in different phases, a fault strikes, and all must end as if it had not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from jobs.model.job import Job
from jobs.model.states import Phase, State
from jobs.store.attempt_log import Attempt
from tests.faults.installation import Installation, wait_until
from tests.faults.invariants import Invariants, Request

Act = Callable[[Installation], None]
PICTURE = (  # a red one, so that loading has something to fetch
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mM4ISdHU8QwasGoBaMWjFowasGo"
    "BaMWjFowasGoBaMWDBULACXLED1gHZEpAAAAAElFTkSuQmCC"
)
SMALL: Request = {"size": "32x32", "num_frames": 8, "num_inference_steps": 2, "seed": 7}
WITH_PICTURE: Request = SMALL | {"image": PICTURE}
LONG: Request = {"size": "64x64", "num_frames": 16, "num_inference_steps": 100, "seed": 7}
BIG: Request = {"size": "128x128", "num_frames": 24, "num_inference_steps": 2, "seed": 7}


@dataclass(frozen=True)
class Place:
    """How a job is brought to a phase: held at a crash point, or caught in the act."""

    request: Request
    point: str | None = None
    phase: Phase | None = None
    step: int = 0


PLACES = {  # in this order: those that are held stay where they are
    "loading": Place(WITH_PICTURE, point="worker.leased"),
    "uploading": Place(SMALL, point="worker.made"),
    "committing": Place(SMALL, point="worker.uploaded"),
    "denoising": Place(LONG, phase=Phase.DENOISING, step=4),
    "decoding": Place(BIG, phase=Phase.DECODING),
    "queued": Place(SMALL),
}


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    `recovered_s`: from the end of the fault until the job went on; None where it had ended by then. `steps_repeated`:
    None where no other attempt was needed.
    """

    fault: str
    phase: str
    recovered_s: float | None
    attempts: int
    steps_repeated: int | None


@dataclass(frozen=True)
class Fault:
    """`strike` breaks something, `mend` repairs it `lasts_s` later; `costs_no_attempt` where it must not count."""

    name: str
    strike: Act
    mend: Act
    lasts_s: float = 0.0
    costs_no_attempt: bool = False


def play(
    installation: Installation, invariants: Invariants, fault: Fault, phases: tuple[str, ...] = tuple(PLACES)
) -> list[Outcome]:
    """What became of a job in each of these phases. There must be as many workers as phases but the queue."""
    for phase in phases:
        invariants.know(PLACES[phase].request)
    jobs = {phase: _place(installation, PLACES[phase]) for phase in phases}
    try:
        fault.strike(installation)
    finally:
        installation.go_on()
    time.sleep(fault.lasts_s)
    mended_at = time.monotonic()
    fault.mend(installation)
    again = _wait_for_all(installation, jobs, mended_at)
    for phase, job_id in jobs.items():
        invariants.check(job_id, PLACES[phase].request)
    invariants.check_installation()
    return [_outcome(installation, fault, phase, job_id, again[phase]) for phase, job_id in jobs.items()]


def _place(installation: Installation, place: Place) -> str:
    if place.point:
        installation.hold_at(place.point)
    job_id = installation.submit(place.request)
    if place.point:
        installation.wait_for_held(place.point)
    if place.phase:
        installation.wait_for(job_id, place.phase, place.step)
    return job_id


def _wait_for_all(installation: Installation, jobs: dict[str, str], since: float) -> dict[str, float | None]:
    """For each phase, how many seconds after `since` its job was seen to go on; None if it had ended before."""
    before: dict[str, Job] = {}
    again: dict[str, float | None] = {}

    def all_go_on() -> bool:
        for phase, job_id in jobs.items():
            job = installation.get(job_id)
            if phase not in before and job.state.is_final:
                again[phase] = None
            before.setdefault(phase, job)
            goes_on = job.state.is_final or job.state is State.RUNNING
            if phase not in again and goes_on and job.version != before[phase].version:
                again[phase] = round(time.monotonic() - since, 1)
        return len(again) == len(jobs)

    wait_until(all_go_on, f"all of {jobs} go on")
    return again


def _outcome(installation: Installation, fault: Fault, phase: str, job_id: str, recovered_s: float | None) -> Outcome:
    attempts = installation.store.attempts(job_id)
    if fault.costs_no_attempt:
        assert installation.get(job_id).attempt == 1, f"{phase}: {attempts}"
    repeated = None
    if len(attempts) > 1:
        repeated = steps_repeated(attempts)
    return Outcome(fault.name, phase, recovered_s, len(attempts), repeated)


def steps_repeated(attempts: list[Attempt]) -> int:
    """Steps of denoising that were reported by one attempt and taken again by the next; later phases count frames."""
    return sum(
        max(0, one.step - (two.resumed_step or 0)) for one, two in pairwise(attempts) if one.phase is Phase.DENOISING
    )
