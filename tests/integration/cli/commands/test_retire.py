"""`easyanimate models retire`, on a real Redis."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from cli.main import app
from jobs.model.job import Job, new_job_id
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.model.states import State
from jobs.queue.registry import Registry
from tests.job_store import JobStore
from worker.keeper.recovery import RecoverySweeper
from worker.settings import KeeperSettings


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", redis_url)
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", str(tmp_path))


@pytest.fixture
def submit(redis: Redis, card: ModelCard) -> Callable[[], Job]:
    """Submits a job for a model whose worker has left."""
    store, registry = JobStore(redis), Registry(redis)
    registry.announce(card, "w1")
    registry.withdraw(card.name, "w1")
    values = {
        "model": card.name, "prompt": "a red ball", "width": 128, "height": 128, "num_frames": 16, "fps": 24,
        "num_inference_steps": 4, "guidance_scale": 4.0, "scheduler": "euler", "seed": 7,
    }  # fmt: skip
    request = VideoRequest.model_validate(values)
    return lambda: store.submit(Job(id=new_job_id(), owner="me", request=request, created_at=store.now()))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", "retire", *arguments])


def test_its_waiting_jobs_fail_with_a_reason(redis: Redis, card: ModelCard, submit: Callable[[], Job]) -> None:
    job, store = submit(), JobStore(redis)
    done = run(card.name)
    assert (done.exit_code, done.stdout) == (
        0,
        f"{card.name} is retired\n  {job.id} ended with model_retired\n",
    )
    ended = store.get(job.id)
    assert ended.failure
    assert (ended.state, ended.failure.code, ended.failure.retryable) == (State.FAILED, "model_retired", False)
    assert (Registry(redis).cards(), store.queue_depth(card.name)) == ([], 0)


def test_jobs_that_were_submitted_at_the_same_time_are_ended_by_the_keeper(
    redis: Redis, card: ModelCard, submit: Callable[[], Job]
) -> None:
    assert run(card.name).exit_code == 0
    late, store = submit(), JobStore(redis)
    RecoverySweeper(store.table, KeeperSettings()).sweep()
    assert store.get(late.id).state is State.FAILED


def test_jobs_can_be_kept_for_a_later_worker(redis: Redis, card: ModelCard, submit: Callable[[], Job]) -> None:
    job, store = submit(), JobStore(redis)
    done = run(card.name, "--keep-jobs", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"model": card.name, "ended": [], "waiting": 1})
    RecoverySweeper(store.table, KeeperSettings()).sweep()
    assert store.get(job.id).state is State.QUEUED
    Registry(redis).announce(card, "w2")
    assert store.first_waiting(card.name) == job.id


def test_a_model_with_a_live_worker_is_refused(redis: Redis, card: ModelCard) -> None:
    Registry(redis).announce(card, "w1")
    done = run(card.name)
    assert (done.exit_code, "has live workers (1)" in done.stderr) == (1, True)
    assert len(Registry(redis).cards()) == 1


def test_an_unknown_model_is_one_sentence(redis: Redis) -> None:
    done = run("sora")
    assert (done.exit_code, done.stderr) == (1, "easyanimate models retire: there is no model 'sora'; there is none\n")
