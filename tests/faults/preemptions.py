"""A keeper or worker is killed in the middle of a preemption: after the request, and before and after the return."""

import signal
import time
from functools import partial

from jobs.model.states import Phase
from tests.faults.installation import Installation, wait_until
from tests.faults.invariants import Invariants
from tests.faults.scenario import LONG, SMALL, Outcome, steps_repeated

POINTS = ("preemption.requested", "preemption.stopped", "preemption.returned")


def killed_while_preempting(point: str, installation: Installation, invariants: Invariants) -> Outcome:
    """Every worker runs a long job of low priority; the process that reaches the point for an urgent one is killed.

    All jobs end once, with the frames of an undisturbed run.
    """
    for request in (LONG, SMALL):
        invariants.record_expected(request)
    long_ids = [installation.submit(LONG | {"priority": "low"}) for _ in installation.worker_names]
    for job_id in long_ids:
        installation.wait_for(job_id, Phase.DENOISING, 2)
    installation.crash_at(point)
    urgent_id = installation.submit(SMALL | {"priority": "high"})
    name = _killed_process(installation)
    started = time.monotonic()
    installation.start_one(name)
    invariants.check(urgent_id, SMALL)
    duration_s = round(time.monotonic() - started, 1)
    for job_id in long_ids:
        invariants.check(job_id, LONG)
    invariants.check_installation()
    attempts = max((installation.store.attempts(job_id) for job_id in long_ids), key=len)
    return Outcome(f"SIGKILL at {point}", "denoising", duration_s, len(attempts), steps_repeated(attempts), 1)


def _killed_process(installation: Installation) -> str:
    """The name of the process that ended at the crash point."""

    def ended() -> list[str]:
        return [name for name, child in installation.children.items() if child.exit_code is not None]

    wait_until(ended, "a process ends at the crash point")
    [name] = ended()
    assert installation.exit_code(name) == -signal.SIGKILL
    return name


def _run(point: str, installation: Installation, invariants: Invariants) -> list[Outcome]:
    return [killed_while_preempting(point, installation, invariants)]


RUNS = [(f"killed while preempting: {point}", partial(_run, point)) for point in POINTS]
