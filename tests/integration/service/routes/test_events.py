"""Events arrive in order and each once, also over cut connections and restarts of processes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.failure import failure
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase
from service.settings import ServiceSettings
from tests.integration.redis_servers import wait_until
from tests.job_store import JobStore

Code = Callable[[httpx.Response], str]
Event = dict[str, Any]


def events_of(lines: Iterator[str]) -> Iterator[Event]:
    """The events in these lines, with `id` as a number and `data` parsed."""
    event: Event = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line and "event" in event:
            yield event
        if not line:
            event = {}
        elif name == "data":
            event["data"] = json.loads(value)
        elif name:
            event[name] = int(value) if name == "id" else value


@contextmanager
def listening(url: str, video_id: str, after: int | None = None) -> Iterator[Iterator[Event]]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with httpx.stream("GET", f"{url}/v1/videos/{video_id}/events", headers=headers, timeout=60) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield events_of(answer.iter_lines())


def create(url: str) -> str:
    return str(httpx.post(f"{url}/v1/videos", json={"prompt": "a red fox"}, timeout=60).json()["id"])


def lease(store: JobStore, video_id: str) -> tuple[str, str]:
    job = store.lease(video_id, "worker-1")
    assert job is not None
    assert job.token is not None
    return job.id, job.token


@pytest.fixture
def url(api: httpx.Client) -> str:
    return str(api.base_url).rstrip("/")


def test_all_events_of_a_job_arrive_in_order_while_it_runs(
    url: str, store: JobStore, finish: Callable[[str], bytes]
) -> None:
    video_id = create(url)
    with listening(url, video_id) as events:
        assert next(events)["data"] == {"state": "queued"}
        held = lease(store, video_id)
        assert "worker-1" in next(events)["data"]["message"]
        assert next(events)["data"] == {"state": "running", "attempt": 1}
        store.report(*held, Phase.DENOISING, 3, 10)
        assert next(events)["data"] == {"phase": "denoising", "step": 3, "total_steps": 10}
        store.retry(*held, failure("execution_timeout"))
        assert next(events)["event"] == "log"
        assert next(events)["data"] == {
            "state": "queued", "attempt": 1, "outcome": "retried", "code": "execution_timeout",
        }  # fmt: skip
        finish(video_id)
        rest = list(events)
    assert [event["event"] for event in rest] == ["log", "state", "log", "state", "done"]
    assert rest[2]["data"] == {"message": "the prompt was cut"}
    assert (rest[4]["data"]["id"], rest[4]["data"]["status"]) == (video_id, "completed")
    assert httpx.get(rest[4]["data"]["url"], timeout=60).status_code == 200


def test_ids_grow_and_the_stream_resumes_after_each_of_them(
    url: str, store: JobStore, finish: Callable[[str], bytes]
) -> None:
    video_id = create(url)
    finish(video_id)
    with listening(url, video_id) as events:
        everything = list(events)
    ids = [event["id"] for event in everything]
    assert ids == sorted(set(ids))
    for index, last_id in enumerate(ids[:-1]):
        with listening(url, video_id, last_id) as events:
            rest = list(events)
        assert [event["id"] for event in rest] == ids[index + 1 :]
        assert rest[:-1] == everything[index + 1 : -1]
    after_all = httpx.get(f"{url}/v1/videos/{video_id}/events", headers={"Last-Event-ID": str(ids[-1])}, timeout=60)
    assert (after_all.status_code, after_all.content) == (204, b"")


def test_a_deleted_video_ends_its_stream(url: str) -> None:
    video_id = create(url)
    with listening(url, video_id) as events:
        next(events)
        httpx.delete(f"{url}/v1/videos/{video_id}", timeout=60)
        (last,) = events
    assert (last["event"], last["data"]["deleted"]) == ("done", True)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "١"])
def test_an_invalid_last_event_id_is_refused(api: httpx.Client, code_of: Code, last: str) -> None:
    video_id = create(str(api.base_url).rstrip("/"))
    answer = api.get(f"/v1/videos/{video_id}/events", headers={"Last-Event-ID": last.encode()})
    assert (code_of(answer), answer.json()["error"]["param"]) == ("invalid_request", "Last-Event-ID")


def test_the_stream_of_an_unknown_video_is_a_404(api: httpx.Client, code_of: Code) -> None:
    assert code_of(api.get("/v1/videos/video_nope/events")) == "video_not_found"


def test_comments_are_sent_at_an_interval(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.routes.videos.events.COMMENT_INTERVAL_S", 0.2)
    video_id = create(url)
    with httpx.stream("GET", f"{url}/v1/videos/{video_id}/events", timeout=60) as answer:
        comments = (line for line in answer.iter_lines() if line.startswith(":"))
        assert [next(comments) for _ in range(3)] == [": still here"] * 3


def test_a_hundred_listeners_share_one_subscription_and_leave_none_behind(
    settings: ServiceSettings, announced: ModelCard, store: JobStore, redis: Redis, start_api: Any
) -> None:
    apps: list[Any] = []
    url = start_api(settings, apps)
    resources, video_id = apps[0].state.resources, create(url)

    def listeners() -> float:
        return float(resources.metrics.registry.get_sample_value("easyanimate_http_waiting", {"kind": "events"}) or 0)

    def subscriptions() -> int:
        return int(redis.pubsub_numsub(f"job:{video_id}:news")[0][1])

    limits = httpx.Limits(max_connections=200)
    with httpx.Client(base_url=url, timeout=60, limits=limits) as client:
        requests = [client.build_request("GET", f"/v1/videos/{video_id}/events") for _ in range(100)]
        answers = [client.send(request, stream=True) for request in requests]
        streams = [events_of(answer.iter_lines()) for answer in answers]
        assert [next(stream)["data"] for stream in streams] == [{"state": "queued"}] * 100
        wait_until(lambda: (listeners(), subscriptions()) == (100, 1))
        lease(store, video_id)
        assert {next(stream)["event"] for stream in streams} == {"log"}
        for answer in answers:
            answer.close()
    deadline = time.monotonic() + 150
    while (listeners(), resources.notifications.waiting, subscriptions()) != (0, 0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stream_continues_after_a_restart_of_redis(own_redis: EmbeddedRedis, tmp_path: Path, start_api: Any) -> None:
    url = start_api(ServiceSettings(redis_url=own_redis.url, data_dir=tmp_path))
    video_id = create(url)
    with listening(url, video_id) as events:
        assert next(events)["data"] == {"state": "queued"}
        own_redis.stop()
        time.sleep(0.5)
        own_redis.start()
        with Redis.from_url(own_redis.url) as redis:
            store = JobStore(redis)
            held = lease(store, video_id)
            store.fail(*held, failure("gpu_out_of_memory"))
        names = [event["event"] for event in events]
    assert names == ["log", "state", "state", "done"]


def serve(port: int, redis_url: str, folder: Path) -> "subprocess.Popen[bytes]":
    settings = {"PORT": str(port), "REDIS_URL": redis_url, "DATA_DIR": str(folder)}
    environ = {f"EASYANIMATE_{name}": value for name, value in settings.items()}
    environ["PYTHONPATH"] = str(Path(__file__).parents[4])
    return subprocess.Popen([sys.executable, "-m", "service"], env=environ, stderr=subprocess.DEVNULL, cwd=folder)


@pytest.mark.parametrize("sent_signal", [signal.SIGKILL, signal.SIGTERM])
def test_a_listener_misses_and_repeats_nothing_when_the_front_end_is_killed_and_restarted(
    sent_signal: signal.Signals, store: JobStore, announced: ModelCard, redis_url: str, tmp_path: Path, free_port: Any
) -> None:
    port, steps = free_port(), 60
    url = f"http://127.0.0.1:{port}"
    processes = [serve(port, redis_url, tmp_path)]
    wait_for(url)
    video_id = create(url)
    received: list[Event] = []
    listener = Thread(target=receive_all, args=[url, video_id, received])
    listener.start()
    held = lease(store, video_id)
    for step in range(steps):
        store.report(*held, Phase.DENOISING, step, steps)
        if step == steps // 2:
            while not received:
                time.sleep(0.05)
            processes[0].send_signal(sent_signal)
            assert processes[0].wait(timeout=240) is not None
            processes.append(serve(port, redis_url, tmp_path))
    store.fail(*held, failure("internal_error"))
    listener.join(timeout=240)
    for process in processes:
        process.kill()
        process.wait()
    assert [event["data"]["step"] for event in received if event["event"] == "progress"] == list(range(steps))
    assert received[-1]["event"] == "done"
    ids = [event["id"] for event in received]
    assert ids == sorted(set(ids))


def receive_all(url: str, video_id: str, received: list[Event]) -> None:
    """Reconnects with the last id until the `done` event, as a browser does."""
    deadline = time.monotonic() + 240
    while not (received and received[-1]["event"] == "done") and time.monotonic() < deadline:
        try:
            with listening(url, video_id, received[-1]["id"] if received else None) as events:
                received.extend(events)
        except httpx.TransportError:
            time.sleep(0.05)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", timeout=60)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the front end does not start")


def test_a_stream_whose_first_events_were_trimmed_starts_with_the_state(
    url: str, store: JobStore, redis: Redis
) -> None:
    video_id = create(url)
    held = lease(store, video_id)
    store.report(*held, Phase.DENOISING, 1, 10)
    redis.xtrim(f"job:{video_id}:events", maxlen=1, approximate=False)
    with listening(url, video_id) as events:
        first, second = next(events), next(events)
    assert ("id" not in first, first["data"]["state"], first["data"]["status"]) == (True, "running", "in_progress")
    assert second["data"]["step"] == 1
