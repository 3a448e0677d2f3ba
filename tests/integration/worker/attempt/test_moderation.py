"""Moderation of results: a refused video is never visible, and its files are not stored or deleted."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from jobs.model.failure import Blame
from jobs.model.job import Job
from jobs.model.request import WebhookTarget
from jobs.model.states import State
from jobs.moderation import Moderator
from jobs.storage.interface import Storage
from jobs.webhooks.deliveries import Deliveries
from tests.job_store import JobStore
from tests.moderation_hook import ALLOWED, SECRET, Hook, running_hook

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]
REFUSED = {"allow": False, "reason": "it shows a weapon"}


@pytest.fixture
def hook() -> Iterator[Hook]:
    with running_hook() as hook:
        yield hook


@pytest.fixture
def moderated(worker: Any, hook: Hook, redis: Redis) -> Any:
    """A worker whose results are checked; what cannot be checked is refused."""
    worker.use(moderator=Moderator(hook.url, SECRET, allows_on_error=False, redis=redis))
    return worker


def stored(storage: Storage, job: Job) -> list[str]:
    """The keys of all results and partial results of a job."""
    return [item.key for item in storage.list(f"videos/{job.id}/")]


def events(redis: Redis, job: Job) -> list[dict[str, Any]]:
    return [json.loads(event[b"event"]) for _, event in redis.xrange(f"job:{job.id}:events")]  # type: ignore[union-attr]


def test_an_allowed_video_is_completed_after_the_hook_received_it(
    moderated: Any, hook: Hook, submit: Submit, store: JobStore
) -> None:
    job = submit("a fox")
    moderated.run_one()
    done = store.get(job.id)
    assert done.state is State.COMPLETED
    assert done.result is not None
    assert done.result.steps == 4  # what usage counts
    (case,) = hook.cases
    assert (case["stage"], case["video_id"], case["owner"], case["prompt"]) == ("output", job.id, "me", "a fox")
    files = {file["name"]: b64decode(file["data"]) for file in case["files"]}
    assert files == {"video.mp4": b"7", "spritesheet.jpg": b"spritesheet.jpg"}


@pytest.mark.parametrize("prompt", ["a fox", "windows"])
def test_nothing_of_a_refused_video_is_ever_stored_or_shown(
    moderated: Any, hook: Hook, submit: Submit, store: JobStore, storage: Storage, redis: Redis, prompt: str
) -> None:
    during: list[tuple[list[str], int, str | None]] = []

    def reply(_: dict[str, Any]) -> Any:
        now = store.get(job.id)
        during.append((stored(storage, job), len(now.segments), now.preview_key))
        return REFUSED

    hook.reply = reply
    job = submit(prompt, preview_every_steps=1, webhook=WebhookTarget(url="https://example.com/hook"))
    moderated.run_one()
    ended = store.get(job.id)
    assert during == [([], 0, None)]
    assert (ended.state, ended.result, stored(storage, job)) == (State.FAILED, None, [])
    assert ended.failure is not None
    assert (ended.failure.code, ended.failure.retryable, ended.failure.blame) == (
        "moderation_refused",
        False,
        Blame.CALLER,
    )
    assert ended.failure.message == "the operator's moderation refuses this video: it shows a weapon"
    assert not [event for event in events(redis, job) if "preview" in event or "watched" in event.get("log", "")]
    assert list(storage.list(f"checkpoints/{job.id}/")) == []
    assert [delivery.type for delivery in Deliveries(redis).of_job(job.id)] == ["video.failed"]


def test_segments_of_an_allowed_long_video_are_stored_at_its_end(
    moderated: Any, submit: Submit, store: JobStore, storage: Storage
) -> None:
    job = submit("windows")
    moderated.run_one()
    done = store.get(job.id)
    assert len(done.watchable) == 4
    assert {segment.key for segment in done.watchable} <= set(stored(storage, job))


def test_a_hook_that_fails_for_a_while_delays_the_video(
    moderated: Any, hook: Hook, submit: Submit, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.attempt.result.moderation.FIRST_PAUSE_S", 0.01)
    hook.reply = lambda _: ALLOWED if len(hook.cases) == 3 else b"starting"
    job = submit("a fox")
    moderated.run_one()
    assert (store.get(job.id).state, len(hook.cases)) == (State.COMPLETED, 3)


@pytest.mark.parametrize("allows", [True, False])
def test_the_setting_decides_about_a_video_that_cannot_be_checked(
    worker: Any,
    hook: Hook,
    submit: Submit,
    store: JobStore,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    allows: bool,
) -> None:
    monkeypatch.setattr("worker.attempt.result.moderation.RETRY_FOR_S", 0.0)
    worker.use(moderator=Moderator(hook.url, SECRET, allows_on_error=allows, redis=redis))
    hook.status = 500
    job = submit("a fox")
    worker.run_one()
    ended = store.get(job.id)
    if allows:
        assert ended.state is State.COMPLETED
        return
    assert ended.failure is not None
    assert (ended.failure.code, ended.failure.retryable, ended.failure.blame) == (
        "moderation_refused",
        True,
        Blame.INFRASTRUCTURE,
    )
    assert "could not be checked" in ended.failure.message


def test_a_cancel_ends_the_wait_for_a_hook_that_does_not_answer(
    moderated: Any, hook: Hook, submit: Submit, store: JobStore, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.attempt.result.moderation.FIRST_PAUSE_S", 0.05)
    hook.status = 503
    job = submit("a fox")
    meanwhile(lambda: len(hook.cases) >= 2, lambda: store.cancel(job.id))
    moderated.run_one()
    assert store.get(job.id).state is State.CANCELLED
