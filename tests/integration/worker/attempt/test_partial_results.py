"""The segments of a long video on their way to those who watch it, through real Redis and storage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs.errors import StorageUnavailable
from jobs.model.job import Job
from jobs.model.states import State
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from tests.job_store import JobStore
from worker.settings import WorkerSettings

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]
ALL = [b"step %d" % step for step in range(4)]


def contents(storage: Storage, job: Job) -> list[bytes]:
    """What lies where the job's segments should."""
    keys = [segment.key for segment in job.watchable]
    return [b"".join(storage.read(key, 0, storage.stat(key).size_bytes)) for key in keys]


def test_they_can_be_watched_while_the_rest_is_made_and_afterwards(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, meanwhile: Meanwhile, redis: Redis
) -> None:
    job = submit("windows")
    seen: list[tuple[State, list[bytes]]] = []

    def look() -> None:
        now = store.get(job.id)
        seen.append((now.state, contents(storage, now)))

    meanwhile(lambda: len(store.get(job.id).segments) >= 2, look)
    worker.do_one()
    state, watched = seen[0]
    assert (state, watched) == (State.RUNNING, ALL[: len(watched)])
    done = store.get(job.id)
    assert (done.state, done.segments, contents(storage, done)) == (State.COMPLETED, (), ALL)
    told = [json.loads(event[b"event"]) for _, event in redis.xrange(f"job:{job.id}:events")]
    sentences = [event["log"] for event in told if "watched" in event.get("log", "")]
    assert sentences[0] == "0.3333 s of it can be watched."


def test_those_of_a_lost_attempt_can_be_watched_until_the_next_one_has_them(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, redis: Redis
) -> None:
    job = submit("windows once")
    worker.do_one()
    waiting = store.get(job.id)
    assert (waiting.state, contents(storage, waiting)) == (State.QUEUED, ALL[:3])
    worker.do_one()
    done = store.get(job.id)
    assert (done.state, done.attempt, contents(storage, done)) == (State.COMPLETED, 2, ALL)
    assert not {segment.key for segment in done.watchable} & {segment.key for segment in waiting.watchable}


@pytest.mark.parametrize("for_tries", [1, 1000])
def test_a_storage_that_is_away_makes_them_late_and_loses_none(
    worker: Any,
    submit: Submit,
    store: JobStore,
    settings: WorkerSettings,
    monkeypatch: pytest.MonkeyPatch,
    for_tries: int,
) -> None:
    class Flaky(LocalStorage):
        tries = 0

        def put_file(self, key: str, path: Path) -> None:
            if key.endswith(".ts") and self.tries < for_tries and store.get(job.id).phase != "uploading":
                self.tries += 1
                raise StorageUnavailable
            super().put_file(key, path)

    monkeypatch.setattr("worker.attempt.partial_results.PAUSE_S", 0.05)
    storage = Flaky(settings.data_dir / "objects", public_url="", secret=b"s")
    worker.use(storage=storage)
    job = submit("windows")
    worker.do_one()
    done = store.get(job.id)
    assert storage.tries >= 1
    assert (done.state, contents(storage, done)) == (State.COMPLETED, ALL)
