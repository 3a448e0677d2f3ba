"""The worker of a film is killed in the second shot, and the next one in the third shot."""

import time

from jobs.model.states import Phase
from tests.faults.installation import Installation
from tests.faults.invariants import Invariants, Request
from tests.faults.scenario import Outcome, steps_repeated

SHOT_STEPS = 40
FILM: Request = {
    "size": "64x64", "num_inference_steps": SHOT_STEPS, "seed": 7, "shots": [
        {"prompt": "a red circle moving to the right", "num_frames": 16},
        {"prompt": "a red circle standing still", "num_frames": 16},
        {"prompt": "a blue square moving up", "num_frames": 16, "overlap": 0},
    ],
}  # fmt: skip
SECOND_SHOT, THIRD_SHOT = SHOT_STEPS + SHOT_STEPS // 2, 2 * SHOT_STEPS + SHOT_STEPS // 2


def film_killed_twice(installation: Installation, invariants: Invariants) -> list[Outcome]:
    """The film equals an undisturbed one; finished shots are not generated again."""
    invariants.record_expected(FILM)
    job_id = installation.submit(FILM)
    started = 0.0
    for step in (SECOND_SHOT, THIRD_SHOT):
        installation.wait_for(job_id, Phase.DENOISING, step)
        name = installation.worker_of(job_id)
        installation.kill(name)
        started = time.monotonic()
        installation.start_one(name)
    invariants.check(job_id, FILM)
    duration_s = round(time.monotonic() - started, 1)
    attempts = installation.store.attempts(job_id)
    resumed = [attempt.resumed_step or 0 for attempt in attempts]
    assert (resumed[1] >= SHOT_STEPS, resumed[2] >= 2 * SHOT_STEPS) == (True, True), attempts
    invariants.check_installation()
    repeated = steps_repeated(attempts)
    return [Outcome("worker killed in two shots of a film", "denoising", duration_s, len(attempts), repeated, 1)]


RUNS = [("film killed in two shots", film_killed_twice)]
