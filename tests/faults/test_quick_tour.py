"""A quick tour of what can break; `make faults` is the long one."""

import pytest

from tests.faults.faults import QUICK, Fault, crash_worker_at
from tests.faults.house import House

SEED = 7


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_after_a_fault_the_job_ends_once_with_the_same_frames_and_leaves_nothing(house: House, fault: Fault) -> None:
    house.clean_sha256(SEED)
    outcome = fault.run(house, SEED)
    if outcome.fault == "worker SIGTERM":
        assert outcome.steps_repeated == 0
    if outcome.fault == "worker SIGKILL":
        assert outcome.steps_repeated is not None
        assert outcome.steps_repeated <= 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_that_dies_between_upload_and_commit_leaves_one_video(house: House) -> None:
    crash_worker_at("worker.uploaded")(house, SEED)
