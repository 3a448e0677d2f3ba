"""Which time of a completed video is recorded for the ranges of later ones."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from jobs.model.job import Job
from jobs.queue.run_times import parse_run_times, record_run_time, run_times_range
from tests.small_result import small_result


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"attempt": 1}, 60.0),  # from its start to its end
        ({"attempt": 2}, 10.0),  # the phases of all attempts: the wait after a lost worker does not count
        ({"attempt": 1, "handover": 1}, 10.0),
        ({"attempt": 1, "started_at": 108.0, "completed_at": 110.0}, 10.0),  # after a step of a clock
        ({"attempt": 1, "started_at": None}, 10.0),
        ({"attempt": 1, "completed_at": None}, 10.0),
    ],
)
def test_only_a_video_of_one_attempt_counts_the_time_between_its_phases(
    redis: Redis, make_job: Callable[..., Job], changes: dict[str, Any], seconds: float
) -> None:
    job = make_job("me").evolve(**{"started_at": 100.0, "completed_at": 160.0, **changes})
    result = small_result("video.mp4", phase_seconds={"denoising": 7.0, "decoding": 3.0})
    with redis.pipeline() as pipe:
        record_run_time(pipe, job, result)
        pipe.execute()
    (time,) = parse_run_times(redis.lrange(*run_times_range(job.request.model)))
    assert time.seconds == seconds


def test_the_latest_hundred_times_are_kept(redis: Redis, make_job: Callable[..., Job]) -> None:
    job = make_job("me")
    with redis.pipeline() as pipe:
        for seconds in range(1, 104):
            record_run_time(pipe, job, small_result("video.mp4", phase_seconds={"denoising": float(seconds)}))
        pipe.execute()
    (key,) = redis.keys("*run_times")  # type: ignore[misc]
    times = parse_run_times(redis.lrange(key, 0, -1))  # type: ignore[arg-type]
    assert [time.seconds for time in times] == [float(seconds) for seconds in range(103, 3, -1)]
