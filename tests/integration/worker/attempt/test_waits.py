"""The span of the wait before each attempt: of a new job, of one that was returned, and of one that continues a run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jobs.errors import QueueUnavailable
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.states import Phase, Priority
from jobs.store.leases import WorkerJobs
from jobs.tracing.spans import NO_SPAN, SpanRecorder, TraceSpan, recorder, use_recorder
from tests.job_store import JobStore
from worker.attempt.attempt_trace import AttemptTrace

Submit = Callable[..., Job]


class RecordedWaits(SpanRecorder):
    """Keeps the begin and the attributes of each wait."""

    is_on = True

    def __init__(self) -> None:
        self.waits: list[tuple[float, dict[str, Any]]] = []

    @contextmanager
    def span(self, *_: Any, **__: Any) -> Iterator[TraceSpan]:
        yield NO_SPAN

    def begin(self, name: str, under: TraceSpan, started_at: float | None = None, **attributes: Any) -> TraceSpan:
        if name == "video.wait" and started_at is not None:
            self.waits.append((started_at, attributes))
        return NO_SPAN


@pytest.fixture
def recorded() -> Iterator[RecordedWaits]:
    before, new = recorder(), RecordedWaits()
    use_recorder(new)
    yield new
    use_recorder(before)


@pytest.fixture
def begin(store: JobStore, recorded: RecordedWaits) -> Callable[[Job], Job]:
    """Leases a job, begins its trace, and returns the job as it runs."""

    def begin(job: Job) -> Job:
        leased = store.lease(job.id, "worker-1")
        assert leased is not None
        trace = AttemptTrace(leased, store.workers)
        trace.begin()
        trace.end()
        return leased

    return begin


def test_the_first_wait_begins_with_the_job(
    submit: Submit, begin: Callable[[Job], Job], recorded: RecordedWaits
) -> None:
    job = begin(submit("a red ball"))
    fields = {"video_id": job.id, "priority": Priority.NORMAL, "attempt": 1}
    assert recorded.waits == [(job.created_at, fields)]


@pytest.mark.parametrize("way", ["release", "retry", "preempt"])
def test_a_later_wait_begins_at_the_end_of_the_attempt_before(
    submit: Submit, store: JobStore, begin: Callable[[Job], Job], recorded: RecordedWaits, way: str
) -> None:
    job = begin(submit("a red ball"))
    token = job.token or ""
    store.report(job.id, token, Phase.DENOISING, 1, 4)
    store.add_log(job.id, token, "It resumes.", resumed_step=1)
    if way == "retry":
        store.retry(job.id, token, failure("poison_job"))
    else:
        getattr(store, way)(job.id, token)
    begin(job)
    first, second = store.attempts(job.id)
    assert [since for since, _ in recorded.waits] == [job.created_at, first.ended_at]
    assert recorded.waits[1][1]["attempt"] == second.number


def test_a_job_that_continues_the_run_of_another_one_waits_since_its_creation(
    submit: Submit, store: JobStore, begin: Callable[[Job], Job], recorded: RecordedWaits
) -> None:
    job = submit("a red ball")
    store.table.update_if_exists(job.id, lambda waiting: waiting.evolve(handover=1))
    begin(job)
    assert [since for since, _ in recorded.waits] == [job.created_at]


def test_without_redis_the_attempt_has_no_wait(
    submit: Submit, begin: Callable[[Job], Job], recorded: RecordedWaits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> float:
        raise QueueUnavailable

    monkeypatch.setattr(WorkerJobs, "waiting_since", fail)
    begin(submit("a red ball"))
    assert recorded.waits == []
