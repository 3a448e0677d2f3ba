"""A worker is killed in the middle of a draft, and another one in the middle of its promotion."""

import time
from collections.abc import Callable

from jobs.model.states import Phase, State
from tests.faults.installation import Installation
from tests.faults.invariants import Invariants
from tests.faults.scenario import LONG, Outcome, steps_repeated

DRAFT_STEPS, ALL_STEPS = 40, 100
MIDDLE_OF_DRAFT, MIDDLE_OF_PROMOTION = 10, 60


def draft_and_promotion_killed(installation: Installation, invariants: Invariants) -> list[Outcome]:
    """The promotion continues the state of the draft and equals a straight run; no step of the draft is made again."""
    invariants.record_expected(LONG)
    draft_id = installation.submit(LONG | {"draft": {"steps": DRAFT_STEPS}})
    outcomes = [_killed("a draft", installation, draft_id, MIDDLE_OF_DRAFT, lambda: _check_draft(invariants, draft_id))]
    promoted_id = installation.promote(draft_id)
    check = lambda: invariants.check(promoted_id, LONG)  # noqa: E731
    outcomes.append(_killed("a promotion", installation, promoted_id, MIDDLE_OF_PROMOTION, check))
    result = installation.get(promoted_id).result
    assert result is not None
    assert (result.draft_reused, result.steps) == (True, ALL_STEPS - DRAFT_STEPS)
    invariants.check_installation()
    return outcomes


def _killed(what: str, installation: Installation, job_id: str, step: int, check: Callable[[], None]) -> Outcome:
    """Kills the worker of the job at this step and starts it again; `check` waits for the end of the job."""
    installation.wait_for(job_id, Phase.DENOISING, step)
    name = installation.worker_of(job_id)
    installation.kill(name)
    started = time.monotonic()
    installation.start_one(name)
    check()
    attempts = installation.store.attempts(job_id)
    duration_s = round(time.monotonic() - started, 1)
    return Outcome(f"worker killed in {what}", "denoising", duration_s, len(attempts), steps_repeated(attempts), 1)


def _check_draft(invariants: Invariants, draft_id: str) -> None:
    job = invariants.installation.wait_for_end(draft_id)
    assert (job.state, job.public_state) == (State.COMPLETED, State.DRAFT), job.failure
    assert job.result is not None
    assert job.result.steps == DRAFT_STEPS
    invariants.check_reported_once(draft_id)


RUNS = [("draft and promotion killed", draft_and_promotion_killed)]
