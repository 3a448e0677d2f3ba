"""What a caller sees of a job: four words, a number that only grows, and a tag that changes when the record does."""

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
def test_there_are_only_the_four_words_of_the_contract(state: State) -> None:
    assert to_video(JOB.evolve(state=state)).status in ("queued", "in_progress", "completed", "failed")


def test_a_cancelled_job_shows_as_failed_and_says_why() -> None:
    video = to_video(JOB.evolve(state=State.CANCELLED, failure=failure("cancelled")))
    assert video.error is not None
    assert (video.status, video.state, video.error.code) == ("failed", "cancelled", "cancelled")


def test_progress_grows_from_phase_to_phase() -> None:
    seen = [progress(running(phase, step, 4)) for phase in Phase for step in range(5)]
    assert seen == sorted(seen)
    assert seen[-1] < 100


@given(phase=st.sampled_from(Phase), step=st.integers(0, 500), total=st.integers(0, 200))
def test_progress_of_a_running_job_is_a_whole_number_below_a_hundred(phase: Phase, step: int, total: int) -> None:
    assert progress(running(phase, step, total)) in range(100)


def test_a_completed_job_is_all_of_it_and_a_waiting_one_nothing() -> None:
    assert progress(JOB.evolve(state=State.COMPLETED)) == 100
    assert progress(JOB) == 0


def test_times_are_whole_unix_seconds() -> None:
    assert to_video(JOB).created_at == 1000


@pytest.mark.parametrize("position", [0, 1, 5, 100_000])
def test_pollers_are_steered_between_half_a_second_and_five(position: int) -> None:
    wait_ms = poll_after_ms(JobVersion(0, State.QUEUED, QueuePosition(position)))
    assert wait_ms is not None
    assert 500 <= wait_ms <= 5000


def test_there_is_nothing_to_wait_for_when_it_is_over() -> None:
    assert poll_after_ms(JobVersion(0, State.FAILED, None)) is None


def test_the_tag_changes_with_the_record_and_its_place_in_the_queue() -> None:
    glances = [
        JobVersion(0, State.QUEUED, QueuePosition(0)),
        JobVersion(1, State.QUEUED, QueuePosition(0)),
        JobVersion(1, State.QUEUED, QueuePosition(1)),
    ]
    glances += [JobVersion(1, State.QUEUED, QueuePosition(1, is_unserved=True))]
    assert len({etag(glance, 0) for glance in [*glances, JobVersion(1, State.RUNNING, None)]}) == 5


def test_the_tag_does_not_change_with_every_link_but_before_one_runs_out() -> None:
    done = JobVersion(3, State.COMPLETED, None)
    assert etag(done, 10) == etag(done, 11)
    assert etag(done, 0) != etag(done, LINK_REFRESH_S)


def test_no_owner_token_or_secret_is_shown() -> None:
    shown = to_video(JOB.evolve(token="t0ken", worker="host-1", owner="key:1234")).model_dump_json()
    assert not any(word in shown for word in ("t0ken", "host-1", "key:1234", "webhook"))
