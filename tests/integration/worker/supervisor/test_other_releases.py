"""A worker leaves jobs that it cannot read or does not support to others, and runs the next one."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import worker.__main__ as program
from jobs.model.job import Job, new_job_id
from jobs.model.states import State
from jobs.redis.keys import UNREADABLE_KEY
from tests.integration.worker.conftest import SteppedWorker
from tests.job_store import JobStore
from worker.checkpoints.store import sweep_checkpoints

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]
MODEL = "easyanimate-v3-tiny"


def set_request(redis: Redis, job: Job, **changes: Any) -> None:
    """Changes the stored request, as a newer front end may write it."""
    request = json.loads(redis.hget(f"job:{job.id}", "request")) | changes
    redis.hset(f"job:{job.id}", "request", json.dumps(request))


def logs_of(redis: Redis, job: Job) -> list[str]:
    events = [json.loads(fields[b"event"]) for _, fields in redis.xrange(f"job:{job.id}:events")]
    return [event["log"] for event in events if "log" in event]


def test_a_worker_runs_the_job_behind_an_unreadable_one(
    worker: SteppedWorker, submit: Submit, store: JobStore, redis: Redis
) -> None:
    odd, good = submit("a red ball"), submit("a red ball")
    redis.hset(f"job:{odd.id}", "request", "{")
    worker.run_one()
    assert store.get(good.id).state is State.COMPLETED
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [f"job {odd.id}".encode()]
    assert store.first_waiting(MODEL) == odd.id  # for a worker of another release


@pytest.mark.parametrize("key", ["job:{}:attempts", "running:of:odd"])
def test_a_worker_runs_the_job_behind_one_that_cannot_be_leased(
    worker: SteppedWorker, submit: Submit, store: JobStore, redis: Redis, make_request: Callable[..., Any], key: str
) -> None:
    request = make_request("a red ball")
    odd = store.submit(Job(id=new_job_id(), owner="odd", request=request, created_at=store.now(), running_limit=1))
    good = submit("a red ball")
    redis.set(key.format(odd.id), "of another type")
    worker.run_one()
    assert store.get(good.id).state is State.COMPLETED
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [f"job {odd.id}".encode()]


def test_a_record_that_becomes_unreadable_during_its_run_does_not_end_the_worker(
    worker: SteppedWorker, submit: Submit, store: JobStore, redis: Redis, meanwhile: Meanwhile, gate: Path
) -> None:
    odd, good = submit(f"a red ball until {gate}"), submit("a red ball")

    def damage() -> None:
        redis.hset(f"job:{odd.id}", "request", "{")
        gate.touch()

    meanwhile(lambda: store.get(odd.id).step >= 1, damage)
    worker.run_one()
    worker.run_one()
    assert store.get(good.id).state is State.COMPLETED


NEWER = {
    "this release does not define request.scenes": {"scenes": [{"prompt": "a"}]},
    "this release does not define request.loras.layers": {"loras": [{"name": "ink", "scale": 1, "layers": 3}]},
    "the model of this worker has no scheduler rectified": {"scheduler": "rectified"},
    "this release has no quality turbo": {"quality": "turbo"},
}


def test_jobs_with_a_newer_request_wait_for_a_newer_worker_without_an_attempt(
    worker: SteppedWorker, submit: Submit, store: JobStore, redis: Redis
) -> None:
    newer = {reason: submit("a red ball") for reason in NEWER}
    for reason, job in newer.items():
        set_request(redis, job, **NEWER[reason])
    with_version, good = submit("a red ball"), submit("a red ball")
    redis.hset(f"job:{with_version.id}", "schema_version", "2")
    redis.hset(f"job:{good.id}", "cost_center", '"film"')  # outside the request: it does not change the video
    newer["its record has version 2, and this release reads up to 1"] = with_version
    worker.run_one()
    for reason, job in newer.items():
        assert (store.get(job.id).state, store.get(job.id).attempt) == (State.QUEUED, 0)
        assert logs_of(redis, job) == [f"A worker leaves the job to a newer one: {reason}."]
    assert store.first_waiting(MODEL) == next(iter(newer.values())).id
    done = store.get(good.id)
    assert (done.state, (done.model_extra or {})["cost_center"]) == (State.COMPLETED, "film")


def test_the_checkpoints_of_an_unreadable_job_are_kept(submit: Submit, store: JobStore, tmp_path: Path) -> None:
    odd, ended = submit("a red ball"), submit("a red ball")
    store.cancel(ended.id)
    store.redis.hset(f"job:{odd.id}", "request", "{")
    for job in (odd, ended):
        (tmp_path / "spool" / job.id).mkdir(parents=True)
    sweep_checkpoints(tmp_path / "spool", store.table)
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [odd.id]


def test_a_worker_that_ends_by_an_exception_has_a_non_zero_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("the spool is gone")

    monkeypatch.setattr(program, "run_worker", fail)
    monkeypatch.setattr(program, "configure_logging", lambda *_, **__: None)
    monkeypatch.setattr(sys, "argv", ["worker"])
    assert program.main() == 1
