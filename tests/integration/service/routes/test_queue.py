"""What a caller learns of the queue: its place, the time left, how busy a model is, and that it is full."""

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

ASK = {"prompt": "a red ball", "num_frames": 16}


def ask(api: httpx.Client) -> str:
    answer = api.post("/v1/videos", json=ASK)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def queue_of(api: httpx.Client) -> dict[str, object]:
    [row] = api.get("/v1/queue").json()["data"]
    return dict(row)


@pytest.mark.parametrize(
    ("running", "workers", "before", "wait_s"),
    [(0, 1, 0, 0), (1, 1, 0, 10), (1, 1, 3, 40), (2, 4, 1, 0), (4, 4, 0, 2.5), (4, 4, 7, 20), (0, 0, 0, None)],
)
def test_a_job_waits_for_as_many_ends_as_it_takes_to_reach_a_worker(
    running: int, workers: int, before: int, wait_s: float | None
) -> None:
    load = Load(dict.fromkeys(Priority, 0), running, workers, run_s=10.0, pace_s=None)
    assert load.wait_s(before) == wait_s


def test_the_time_left_follows_from_what_videos_took(
    api: httpx.Client, finish: Callable[[str], bytes], store: JobStore
) -> None:
    first = ask(api)
    assert api.get(f"/v1/videos/{first}").json()["eta_s"] is None
    finish(first)  # it took 1.5 s
    load = store.load("easyanimate-v3-tiny")
    second, third = store.get(ask(api)), store.get(ask(api))
    assert load.run_s == pytest.approx(1.5)
    assert load.eta_s(second, 0, 0.0) == pytest.approx(1.5)
    assert store.lease(second.id, "worker-1") is not None
    load = store.load("easyanimate-v3-tiny")
    assert load.eta_s(third, 0, 0.0) == pytest.approx(3.0)
    assert load.eta_s(store.get(second.id), None, 0.8) == pytest.approx(0.3)


def test_the_queue_says_how_busy_a_model_is(api: httpx.Client, finish: Callable[[str], bytes], store: JobStore) -> None:
    finish(ask(api))
    store.lease(ask(api), "worker-1")
    for priority in ("high", "low"):
        api.post("/v1/videos", json=ASK | {"priority": priority})
    assert queue_of(api) == {
        "model": "easyanimate-v3-tiny",
        "waiting": 2,
        "waiting_by_priority": {"high": 1, "normal": 0, "low": 1},
        "running": 1,
        "live_workers": 1,
        "run_s": 1.5,
        "wait_s": 4.5,
        "accepts": True,
    }


@pytest.mark.usefixtures("announced")
def test_a_queue_that_takes_too_long_is_full(
    settings: ServiceSettings,
    start_api: Callable[[ServiceSettings], str],
    finish: Callable[[str], bytes],
    code_of: Callable[[httpx.Response], str],
) -> None:
    url = start_api(settings.model_copy(update={"max_wait_s": 4.0}))
    with httpx.Client(base_url=url, timeout=30) as api:
        finish(ask(api))
        for _ in range(3):  # they begin in 0, 1.5 and 3 seconds
            ask(api)
        refused = api.post("/v1/videos", json=ASK)
        assert (refused.status_code, code_of(refused)) == (429, "queue_full")
        assert refused.headers["retry-after"] == "2"
        assert queue_of(api)["accepts"] is False


def test_a_video_nobody_can_make_says_so_until_a_worker_comes(
    api: httpx.Client, redis: Redis, announced: ModelCard
) -> None:
    registry, video = Registry(redis), ask(api)
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
