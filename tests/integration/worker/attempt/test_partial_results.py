"""The upload of segments of a long video, with a real Redis and storage."""

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
    """The stored bytes of the job's segments."""
    keys = [segment.key for segment in job.watchable]
    return [b"".join(storage.read(key, 0, storage.stat(key).size_bytes)) for key in keys]


def test_segments_can_be_watched_during_the_run_and_afterwards(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, meanwhile: Meanwhile, redis: Redis, gate: Path
) -> None:
    job = submit(f"windows until {gate}")
    snapshots: list[tuple[State, list[bytes]]] = []

    def read() -> None:
        now = store.get(job.id)
        snapshots.append((now.state, contents(storage, now)))
        gate.touch()

    meanwhile(lambda: len(store.get(job.id).segments) >= 2, read)
    worker.run_one()
    state, watched = snapshots[0]
    assert (state, watched) == (State.RUNNING, ALL[: len(watched)])
    done = store.get(job.id)
    assert (done.state, done.segments, contents(storage, done)) == (State.COMPLETED, (), ALL)
    events = [json.loads(event[b"event"]) for _, event in redis.xrange(f"job:{job.id}:events")]
    sentences = [event["log"] for event in events if "watched" in event.get("log", "")]
    assert sentences[0] == "0.3333 s of it can be watched."


def test_segments_of_a_lost_attempt_can_be_watched_until_the_next_one_has_them(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, meanwhile: Meanwhile, gate: Path
) -> None:
    job = submit(f"windows once until {gate}")
    meanwhile(lambda: len(store.get(job.id).segments) == 3, gate.touch)
    worker.run_one()
    waiting = store.get(job.id)
    assert (waiting.state, contents(storage, waiting)) == (State.QUEUED, ALL[:3])
    worker.run_one()
    done = store.get(job.id)
    assert (done.state, done.attempt, contents(storage, done)) == (State.COMPLETED, 2, ALL)
    assert not {segment.key for segment in done.watchable} & {segment.key for segment in waiting.watchable}


@pytest.mark.parametrize("for_tries", [1, 1000])
def test_an_unavailable_storage_delays_segments_and_loses_none(
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

    monkeypatch.setattr("worker.attempt.result.partial_results.RETRY_PAUSE_S", 0.05)
    storage = Flaky(settings.data_dir / "objects", public_url="", secret=b"s")
    worker.use(storage=storage)
    job = submit("windows")
    worker.run_one()
    done = store.get(job.id)
    assert storage.tries >= 1
    assert (done.state, contents(storage, done)) == (State.COMPLETED, ALL)
