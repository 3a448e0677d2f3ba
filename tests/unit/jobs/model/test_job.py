"""A record read from Redis equals the one written, for any text in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from jobs.model.failure import CODES, failure
from jobs.model.job import Job, Result, new_job_id
from jobs.model.request import DEFAULT_WEBHOOK_EVENTS, WEBHOOK_EVENTS, VideoRequest, WebhookTarget
from jobs.model.states import Phase, State

TEXT = st.text(min_size=1, max_size=40)
TIME = st.floats(0, 4e9, allow_nan=False)

targets = st.builds(
    WebhookTarget,
    url=TEXT,
    events=st.sampled_from([DEFAULT_WEBHOOK_EVENTS, WEBHOOK_EVENTS, ("video.failed",)]),
    secret=st.none() | TEXT.map(SecretStr),
)
requests = st.builds(
    VideoRequest,
    model=TEXT,
    prompt=TEXT,
    negative_prompt=st.text(max_size=40),
    width=st.integers(16, 4096),
    height=st.integers(16, 4096),
    num_frames=st.integers(1, 4096),
    fps=st.integers(1, 60),
    num_inference_steps=st.integers(1, 200),
    guidance_scale=st.floats(0, 30),
    scheduler=TEXT,
    seed=st.integers(0, 2**63 - 1),
    image_key=st.none() | TEXT,
    webhook=st.none() | targets,
    metadata=st.dictionaries(TEXT, st.text(max_size=20), max_size=3),
)
results = st.builds(
    Result,
    video_key=TEXT,
    content_type=TEXT,
    size_bytes=st.integers(0, 2**40),
    content_sha256=TEXT,
    inference_time_s=TIME,
    peak_memory_mb=TIME,
    phase_seconds=st.dictionaries(TEXT, TIME, max_size=3),
    warnings=st.lists(TEXT, max_size=2).map(tuple),
)
jobs = st.builds(
    Job,
    id=TEXT,
    owner=TEXT,
    request=requests,
    created_at=TIME,
    state=st.sampled_from(State),
    attempt=st.integers(0, 3),
    handover=st.integers(0, 9),
    token=st.none() | TEXT,
    worker=st.none() | TEXT,
    phase=st.none() | st.sampled_from(Phase),
    step=st.integers(0, 200),
    total_steps=st.integers(0, 200),
    started_at=st.none() | TIME,
    completed_at=st.none() | TIME,
    cancel_requested=st.booleans(),
    warnings=st.lists(TEXT, max_size=2).map(tuple),
    failure=st.none() | st.sampled_from(sorted(CODES)).map(failure),
    result=st.none() | results,
)


@given(jobs)
def test_a_stored_record_is_read_back_unchanged(job: Job) -> None:
    stored = {name.encode(): value.encode() for name, value in job.to_hash().items()}
    assert Job.from_hash(stored) == job


@given(jobs, jobs)
def test_writing_only_the_changed_fields_is_enough(old: Job, new: Job) -> None:
    changed = {name for name in Job.model_fields if getattr(old, name) != getattr(new, name)}
    stored = {name.encode(): value.encode() for name, value in (old.to_hash() | new.to_hash(changed)).items()}
    assert Job.from_hash(stored) == new


@given(jobs)
def test_the_public_status_is_one_of_openais_four_words(job: Job) -> None:
    assert job.public_status in {"queued", "in_progress", "completed", "failed"}


@pytest.mark.parametrize("state", State)
def test_only_queued_and_running_are_not_final(state: State) -> None:
    assert state.is_final == (state not in (State.QUEUED, State.RUNNING))


@pytest.mark.parametrize(("ends_at", "is_over"), [(None, False), (99.9, True), (100.0, True), (100.1, False)])
def test_a_deadline_and_an_expiry_are_over_from_their_second_on(ends_at: float | None, is_over: bool) -> None:
    job = Job.model_construct(deadline=ends_at, expires_at=ends_at)
    assert (job.is_late(100.0), job.has_expired(100.0)) == (is_over, is_over)
    assert job.evolve(files_gone=True).has_expired(100.0)


def test_a_webhook_secret_is_not_in_a_repr() -> None:
    target = WebhookTarget(url="https://example.com", secret=SecretStr("whsec_hush"))
    assert "hush" not in f"{target!r} {target}"


def test_an_unknown_field_of_a_stored_request_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        VideoRequest.model_validate({"colour": "blue"})


def test_ids_are_unique() -> None:
    assert len({new_job_id() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_failure_has_a_sentence_for_the_caller(code: str) -> None:
    assert failure(code).message.endswith(".")


def test_a_failure_can_have_a_message_of_its_own() -> None:
    assert failure("gpu_out_of_memory", "Try 64 frames.").message == "Try 64 frames."
