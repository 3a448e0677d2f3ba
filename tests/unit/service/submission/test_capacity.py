"""When the queue counts as full, and after which pause a refused request may be repeated."""

import pytest

from jobs.model.states import Priority
from jobs.queue.load import Load
from service.settings import ServiceSettings
from service.submission.capacity import full_reason, retry_after_s


def load_of(waiting: int = 0, running: int = 0, workers: int = 1, run_s: float | None = 10.0) -> Load:
    return Load({Priority.NORMAL: waiting}, running, workers, run_s, None)


def settings_of(**limits: float) -> ServiceSettings:
    return ServiceSettings.model_validate(limits)


@pytest.mark.parametrize(("waiting", "count"), [(0, 1), (1, 1), (1, 3), (3, 1), (5, 7)])
def test_as_many_videos_may_wait_as_the_limit_says(waiting: int, count: int) -> None:
    load = load_of(waiting)
    assert full_reason(settings_of(max_queued_jobs=waiting + count), load, count) is None
    if waiting + count > 1:
        reason = full_reason(settings_of(max_queued_jobs=waiting + count - 1), load, count)
        assert reason == f"at most {waiting + count - 1} videos may wait, and {waiting} are waiting"


@pytest.mark.parametrize(("waiting", "running", "count"), [(0, 1, 1), (2, 1, 1), (2, 1, 4), (7, 2, 3)])
def test_the_last_of_the_new_videos_may_wait_as_long_as_the_limit_says(waiting: int, running: int, count: int) -> None:
    load = load_of(waiting, running, workers=running, run_s=10.0)
    last_starts_in_s = (waiting + count) * 10.0 / running  # when all before it, and one that runs, have ended
    assert full_reason(settings_of(max_wait_s=last_starts_in_s), load, count) is None
    reason = full_reason(settings_of(max_wait_s=last_starts_in_s - 0.01), load, count)
    assert reason is not None
    assert reason.startswith(f"the last of {waiting} waiting videos starts in {last_starts_in_s:.0f} s")


@pytest.mark.parametrize("load", [load_of(5, 1, run_s=None), load_of(5, workers=0)], ids=["no time", "no worker"])
def test_a_wait_that_cannot_be_estimated_does_not_count(load: Load) -> None:
    assert full_reason(settings_of(max_wait_s=0.001), load, 1) is None


@pytest.mark.parametrize(
    ("run_s", "workers", "pause_s"),
    [
        (None, 2, 30),
        (10.0, 0, 30),
        (None, 0, 30),
        (0.2, 1, 1),
        (10.0, 4, 3),
        (59.0, 1, 59),
        (60.5, 1, 60),
        (900, 2, 60),
    ],
)
def test_a_place_is_probably_free_when_a_worker_ends_a_video_and_at_most_after_a_minute(
    run_s: float | None, workers: int, pause_s: int
) -> None:
    assert retry_after_s(load_of(9, workers, workers, run_s)) == pause_s
