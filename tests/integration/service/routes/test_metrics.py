"""Metrics count each end once for all front ends, and each request by its route."""

from collections.abc import Callable
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.failure import failure
from service.settings import ServiceSettings
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"


def read(url: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples by name and label values, in the order of the label names."""
    answer = httpx.get(f"{url}/metrics")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    samples = [s for family in text_string_to_metric_families(answer.text) for s in family.samples]
    return {(s.name, tuple(value for _, value in sorted(s.labels.items()))): s.value for s in samples}


def create(url: str) -> str:
    return str(httpx.post(f"{url}/v1/videos", json={"prompt": "a red fox"}).json()["id"])


def test_every_end_is_counted_once_over_all_front_ends(
    settings: ServiceSettings, announced: Any, start_api: Any, store: JobStore, finish: Callable[[str], bytes]
) -> None:
    one, other = start_api(settings), start_api(settings)
    finish(create(one))
    failing = create(one)
    for _ in range(2):
        job = store.lease(failing, "worker-1")
        assert job is not None
        assert job.token is not None
        if job.attempt == 1:
            store.retry(failing, job.token, failure("execution_timeout"))
    store.fail(failing, job.token, failure("gpu_out_of_memory"))
    httpx.post(f"{one}/v1/videos/{create(one)}/cancel")
    create(one)
    running = create(one)
    assert store.lease(running, "worker-1") is not None
    for url in (one, other):
        samples = read(url)
        assert samples["easyanimate_redis_up", ()] == 1
        assert samples["easyanimate_jobs_total", ("", MODEL, "completed")] == 1
        assert samples["easyanimate_jobs_total", ("gpu_out_of_memory", MODEL, "failed")] == 1
        assert samples["easyanimate_jobs_total", ("cancelled", MODEL, "cancelled")] == 1
        assert samples["easyanimate_attempts_total", (MODEL, "retried")] == 1
        assert samples["easyanimate_attempts_total", (MODEL, "completed")] == 1
        assert samples["easyanimate_phase_seconds_total", (MODEL, "denoising")] == 1.5
        assert samples["easyanimate_phases_total", (MODEL, "denoising")] == 1
        assert samples["easyanimate_queue_depth", (MODEL,)] == 1
        assert samples["easyanimate_queue_head_age_seconds", (MODEL,)] >= 0
        assert (samples["easyanimate_jobs_running", ()], samples["easyanimate_workers", (MODEL,)]) == (1, 1)


def test_requests_are_counted_by_route_and_not_by_video(
    settings: ServiceSettings, announced: Any, start_api: Any
) -> None:
    url = start_api(settings)
    ids = [create(url) for _ in range(3)]
    for video_id in (*ids, "video_nope"):
        httpx.get(f"{url}/v1/videos/{video_id}")
    httpx.get(f"{url}/v1/videos/{ids[0]}", headers={"Prefer": "wait=1"})
    httpx.get(f"{url}/nowhere/{ids[0]}")
    samples = read(url)
    assert samples["easyanimate_http_requests_total", ("POST", "/v1/videos", "200")] == 3
    assert samples["easyanimate_http_requests_total", ("GET", "/v1/videos/{video_id}", "200")] == 4
    assert samples["easyanimate_http_requests_total", ("GET", "/v1/videos/{video_id}", "404")] == 1
    assert samples["easyanimate_http_requests_total", ("GET", "none", "404")] == 1
    assert samples["easyanimate_http_request_seconds_count", ("GET", "/v1/videos/{video_id}")] == 4
    assert not any(video_id in str(name) for name in samples for video_id in ids)


def test_without_redis_the_requests_are_still_counted(
    tmp_path: Any, free_port: Callable[[], int], start_api: Any, card: Any
) -> None:
    server = EmbeddedRedis(tmp_path / "redis", free_port()).start()
    url = start_api(ServiceSettings(redis_url=server.url, data_dir=tmp_path))
    with Redis.from_url(server.url) as redis:
        assert redis.ping()
    server.stop()
    httpx.get(f"{url}/healthz")
    samples = read(url)
    assert samples["easyanimate_redis_up", ()] == 0
    assert samples["easyanimate_http_requests_total", ("GET", "/healthz", "200")] == 1
