"""The record of a video: one of four statuses, a progress that only grows, and an ETag that follows the record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.request import VideoRequest
from jobs.model.states import Phase, State
from jobs.queue.fair_queue import QueuePosition
from jobs.store.callers.reader import JobVersion
from service.schemas.video import LINK_REFRESH_S, etag, poll_after_ms, progress, to_video

REQUEST = VideoRequest(
    model="tiny", prompt="a", width=128, height=128, num_frames=16, fps=24, num_inference_steps=10,
    guidance_scale=4.0, scheduler="euler", seed=7,
)  # fmt: skip
JOB = Job(id="video_1", owner="local", request=REQUEST, created_at=1000.7)


def running(phase: Phase, step: int = 0, total_steps: int = 0) -> Job:
    return JOB.evolve(state=State.RUNNING, phase=phase, step=step, total_steps=total_steps)


@pytest.mark.parametrize("state", list(State))
def test_the_status_is_one_of_openais_four(state: State) -> None:
    assert to_video(JOB.evolve(state=state)).status in ("queued", "in_progress", "completed", "failed")


def test_a_cancelled_job_has_the_status_failed_with_its_code() -> None:
    video = to_video(JOB.evolve(state=State.CANCELLED, failure=failure("cancelled")))
    assert video.error is not None
    assert (video.status, video.state, video.error.code) == ("failed", "cancelled", "cancelled")


def test_progress_grows_from_phase_to_phase() -> None:
    percentages = [progress(running(phase, step, 4)) for phase in Phase for step in range(5)]
    assert percentages == sorted(percentages)
    assert percentages[-1] < 100


@given(phase=st.sampled_from(Phase), step=st.integers(0, 500), total=st.integers(0, 200))
def test_progress_of_a_running_job_is_a_whole_number_below_a_hundred(phase: Phase, step: int, total: int) -> None:
    assert progress(running(phase, step, total)) in range(100)


def test_progress_is_100_when_completed_and_0_when_queued() -> None:
    assert progress(JOB.evolve(state=State.COMPLETED)) == 100
    assert progress(JOB) == 0


def test_times_are_whole_unix_seconds() -> None:
    assert to_video(JOB).created_at == 1000


@pytest.mark.parametrize("position", [0, 1, 5, 100_000])
def test_the_polling_interval_is_between_half_a_second_and_five(position: int) -> None:
    wait_ms = poll_after_ms(JobVersion(0, State.QUEUED, QueuePosition(position)))
    assert wait_ms is not None
    assert 500 <= wait_ms <= 5000


def test_a_final_job_has_no_polling_interval() -> None:
    assert poll_after_ms(JobVersion(0, State.FAILED, None)) is None


def test_the_etag_changes_with_the_record_and_its_queue_position() -> None:
    versions = [
        JobVersion(0, State.QUEUED, QueuePosition(0)),
        JobVersion(1, State.QUEUED, QueuePosition(0)),
        JobVersion(1, State.QUEUED, QueuePosition(1)),
    ]
    versions += [JobVersion(1, State.QUEUED, QueuePosition(1, is_unserved=True))]
    assert len({etag(version, 0) for version in [*versions, JobVersion(1, State.RUNNING, None)]}) == 5


@pytest.mark.parametrize("state", [State.COMPLETED, State.RUNNING])
def test_the_etag_changes_before_a_link_expires_and_not_with_each_link(state: State) -> None:
    version = JobVersion(3, state, None)
    assert etag(version, 10) == etag(version, 11)
    assert etag(version, 0) != etag(version, LINK_REFRESH_S)


def test_no_owner_token_or_secret_is_shown() -> None:
    shown = to_video(JOB.evolve(token="t0ken", worker="host-1", owner="key:1234")).model_dump_json()
    assert not any(word in shown for word in ("t0ken", "host-1", "key:1234", "webhook"))
