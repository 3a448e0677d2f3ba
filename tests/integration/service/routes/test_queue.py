"""The queue: position, expected time, load of a model, and refusals when it is full."""

from collections.abc import Callable

import httpx
import pytest
from redis import Redis

from jobs.model.model_card import ModelCard
from jobs.model.states import Priority
from jobs.queue.load import Load
from jobs.queue.registry import Registry
from service.settings import ServiceSettings
from tests.job_store import JobStore

REQUEST = {"prompt": "a red ball", "num_frames": 16}


def create(api: httpx.Client) -> str:
    answer = api.post("/v1/videos", json=REQUEST)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def queue_of(api: httpx.Client) -> dict[str, object]:
    [row] = api.get("/v1/queue").json()["data"]
    return dict(row)


@pytest.mark.parametrize(
    ("running", "workers", "before", "wait_s"),
    [(0, 1, 0, 0), (1, 1, 0, 10), (1, 1, 3, 40), (2, 4, 1, 0), (4, 4, 0, 2.5), (4, 4, 7, 20), (0, 0, 0, None)],
)
def test_the_wait_is_the_time_until_a_worker_is_free(
    running: int, workers: int, before: int, wait_s: float | None
) -> None:
    load = Load(dict.fromkeys(Priority, 0), running, workers, run_s=10.0, pace_s=None)
    assert load.wait_s(before) == wait_s


def test_the_expected_time_follows_from_the_latest_run_times(
    api: httpx.Client, finish: Callable[[str], bytes], store: JobStore
) -> None:
    first = create(api)
    assert api.get(f"/v1/videos/{first}").json()["eta_s"] is None
    finish(first)  # in 1.5 s
    load = store.load("easyanimate-v3-tiny")
    second, third = store.get(create(api)), store.get(create(api))
    assert load.run_s == pytest.approx(1.5)
    assert load.eta_s(second, 0, 0.0) == pytest.approx(1.5)
    assert store.lease(second.id, "worker-1") is not None
    load = store.load("easyanimate-v3-tiny")
    assert load.eta_s(third, 0, 0.0) == pytest.approx(3.0)
    assert load.eta_s(store.get(second.id), None, 0.8) == pytest.approx(0.3)


def test_the_queue_shows_the_load_of_a_model(
    api: httpx.Client, finish: Callable[[str], bytes], store: JobStore
) -> None:
    finish(create(api))
    store.lease(create(api), "worker-1")
    for priority in ("high", "low"):
        api.post("/v1/videos", json=REQUEST | {"priority": priority})
    preempted = store.lease(create(api), "worker-1")
    assert preempted is not None
    assert store.preempt(preempted.id, preempted.token or "")
    assert queue_of(api) == {
        "model": "easyanimate-v3-tiny",
        "waiting": 3,
        "waiting_by_priority": {"high": 1, "normal": 1, "low": 1},
        "running": 1,
        "preempted": 1,
        "live_workers": 1,
        "run_s": 1.5,
        "wait_s": 6.0,
        "reason": None,
        "paused": None,
        "accepts": True,
    }


@pytest.mark.usefixtures("announced")
def test_a_queue_with_a_too_long_wait_is_full(
    settings: ServiceSettings,
    start_api: Callable[[ServiceSettings], str],
    finish: Callable[[str], bytes],
    code_of: Callable[[httpx.Response], str],
) -> None:
    url = start_api(settings.model_copy(update={"max_wait_s": 4.0}))
    with httpx.Client(base_url=url, timeout=120) as api:
        finish(create(api))
        for _ in range(3):  # they start in 0, 1.5 and 3 seconds
            create(api)
        refused = api.post("/v1/videos", json=REQUEST)
        assert (refused.status_code, code_of(refused)) == (429, "queue_full")
        assert refused.headers["retry-after"] == "2"
        assert queue_of(api)["accepts"] is False


@pytest.mark.usefixtures("announced")
def test_the_last_video_of_a_batch_must_start_in_time(
    settings: ServiceSettings, start_api: Callable[[ServiceSettings], str], finish: Callable[[str], bytes]
) -> None:
    url = start_api(settings.model_copy(update={"max_wait_s": 4.0}))
    with httpx.Client(base_url=url, timeout=120) as api:
        finish(create(api))
        assert api.post("/v1/videos", json=REQUEST | {"n": 4}).status_code == 429  # the last starts in 4.5 seconds
        assert api.post("/v1/videos", json=REQUEST | {"n": 3}).status_code == 200


def test_a_video_without_a_worker_has_a_reason_until_one_is_announced(
    api: httpx.Client, redis: Redis, announced: ModelCard
) -> None:
    registry, video = Registry(redis), create(api)
    before = api.get(f"/v1/videos/{video}")
    assert not registry.mark_unserved(announced.name, 60)  # there is a worker
    registry.withdraw(announced.name, "worker-1")
    assert registry.mark_unserved(announced.name, 60)
    after = api.get(f"/v1/videos/{video}", headers={"If-None-Match": before.headers["etag"]})
    assert (before.json()["queue"]["reason"], after.json()["queue"]["reason"]) == (None, "model_unavailable")
    [model] = api.get("/v1/models").json()["data"]
    assert (model["live_workers"], model["unserved_since"] > 0) == (0, True)
    registry.announce(announced, "worker-2")
    assert api.get(f"/v1/videos/{video}").json()["queue"] == {"position": 0, "reason": None}
