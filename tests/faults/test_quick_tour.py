"""A short selection of faults; `make faults` runs all of them.

A drained worker and one that continues after its replacement have tests with an engine that starts quickly:
`tests/integration/worker/supervisor/test_process.py` and `tests/integration/worker/attempt`.
"""

import pytest

from tests.faults import scenario
from tests.faults.crashes import crash_worker_at
from tests.faults.faults import (
    REDIS_BUSY,
    REDIS_CUT,
    S3_BUSY,
    WORKER_KILLED,
    no_repair,
    of_redis_connections,
)
from tests.faults.films import film_killed_twice
from tests.faults.installation import Installation
from tests.faults.invariants import Invariants
from tests.faults.preemptions import killed_while_preempting
from tests.faults.promotions import draft_and_promotion_killed
from tests.faults.scenario import SMALL, Fault, run_scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TOUR = (
    (WORKER_KILLED, ("denoising",)),
    (REDIS_CUT, ("committing", "denoising")),
    (REDIS_BUSY, ("committing", "denoising")),
    (S3_BUSY, ("loading", "uploading")),
)


@pytest.mark.parametrize(("fault", "phases"), TOUR, ids=lambda value: getattr(value, "name", ""))
def test_after_a_fault_each_job_ends_once_with_the_same_frames_and_no_leftovers(
    installation: Installation, invariants: Invariants, fault: Fault, phases: tuple[str, ...]
) -> None:
    outcomes = run_scenario(installation, invariants, fault, phases)
    assert all(outcome.hits for outcome in outcomes if outcome.phase != "committing")
    repeated = sum(outcome.steps_repeated or 0 for outcome in outcomes)
    assert repeated <= 4


def test_a_worker_killed_between_upload_and_commit_leaves_one_video(
    installation: Installation, invariants: Invariants
) -> None:
    crash_worker_at("worker.uploaded", installation, invariants)


def test_a_draft_and_its_promotion_survive_sigkill_and_equal_a_straight_run(
    installation: Installation, invariants: Invariants
) -> None:
    outcomes = draft_and_promotion_killed(installation, invariants)
    assert [outcome.attempts for outcome in outcomes] == [2, 2]
    assert sum(outcome.steps_repeated or 0 for outcome in outcomes) <= 4


def test_a_film_survives_sigkill_in_two_shots(installation: Installation, invariants: Invariants) -> None:
    (outcome,) = film_killed_twice(installation, invariants)
    assert outcome.attempts == 3
    assert (outcome.steps_repeated or 0) <= 4


def test_a_worker_killed_while_its_job_is_preempted_costs_no_step_and_no_video(
    installation: Installation, invariants: Invariants
) -> None:
    outcome = killed_while_preempting("preemption.stopped", installation, invariants)
    assert outcome.attempts == 2
    assert (outcome.steps_repeated or 0) <= 1


def test_a_scenario_whose_fault_meets_nothing_fails(
    installation: Installation, invariants: Invariants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario, "MAX_WAIT_FOR_HITS_S", 0.5)
    monkeypatch.setitem(scenario.SETUPS, "waiting", scenario.Setup(SMALL, point="worker.leased"))
    idle = Fault("no fault", no_repair, no_repair, hits=of_redis_connections)
    with pytest.raises(AssertionError, match="no fault, waiting: the fault met nothing"):
        run_scenario(installation, invariants, idle, ("waiting",))
