"""Metrics count each end once for all front ends, and each request by its route."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.failure import CODES, failure
from jobs.model.states import Priority
from jobs.redis.keys import DUE_KEY, LEASES_KEY
from jobs.version import VERSION
from service.settings import ServiceSettings
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"


def read(url: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples by name and label values, in the order of the label names."""
    answer = httpx.get(f"{url}/metrics", timeout=60)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    samples = [s for family in text_string_to_metric_families(answer.text) for s in family.samples]
    return {(s.name, tuple(value for _, value in sorted(s.labels.items()))): s.value for s in samples}


def create(url: str, **fields: Any) -> str:
    response = httpx.post(f"{url}/v1/videos", json={"prompt": "a red fox"} | fields, timeout=60)
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


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
    httpx.post(f"{one}/v1/videos/{create(one)}/cancel", timeout=60)
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
        assert (samples["easyanimate_jobs_running", (MODEL,)], samples["easyanimate_workers", (MODEL,)]) == (1, 1)
        assert samples["easyanimate_frames_total", (MODEL,)] == 16
        assert samples["easyanimate_job_seconds_count", (MODEL,)] == 1
        assert samples["easyanimate_leases_expired", ()] == 0
        assert samples["easyanimate_build_info", ("api", VERSION)] == 1


def test_the_first_attempt_of_a_job_is_counted_in_the_bucket_of_its_wait_and_priority(
    settings: ServiceSettings, announced: Any, start_api: Any, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = start_api(settings)
    first, second = create(url, priority="high"), create(url)
    for job_id, seconds in ((first, 45), (second, 100_000)):
        now = store.get(job_id).created_at + seconds
        monkeypatch.setattr(store.table, "now", lambda now=now: now)
        job = store.lease(job_id, "worker-1")
        assert job is not None
        assert job.token is not None
        store.retry(job_id, job.token, failure("execution_timeout"))
        assert store.lease(job_id, "worker-1") is not None  # a second attempt is not a second wait
    samples = read(url)
    name = "easyanimate_queue_wait_seconds"
    waits = {bound: samples[f"{name}_bucket", (bound, MODEL, "high")] for bound in ("30.0", "60.0", "86400.0", "+Inf")}
    assert waits == {"30.0": 0, "60.0": 1, "86400.0": 1, "+Inf": 1}
    assert samples[f"{name}_sum", (MODEL, "high")] == pytest.approx(45)
    assert (samples[f"{name}_bucket", ("86400.0", MODEL, "normal")], samples[f"{name}_count", (MODEL, "normal")]) == (
        0,
        1,
    )
    assert samples[f"{name}_count", (MODEL, "low")] == 0


def test_what_has_not_happened_yet_is_reported_as_zero(
    settings: ServiceSettings, announced: Any, start_api: Any
) -> None:
    samples = read(start_api(settings))
    for code in CODES:
        assert samples["easyanimate_jobs_total", (code, MODEL, "failed")] == 0
    assert samples["easyanimate_jobs_total", ("", MODEL, "completed")] == 0
    assert samples["easyanimate_attempts_total", (MODEL, "lost")] == 0
    assert samples["easyanimate_webhooks_total", ("exhausted",)] == 0
    assert samples["easyanimate_webhook_delay_seconds_count", ()] == 0
    assert ("easyanimate_queue_expected_wait_seconds", (MODEL,)) in samples


def test_waiting_jobs_are_reported_by_priority_and_running_ones_by_model(
    settings: ServiceSettings, announced: Any, start_api: Any, store: JobStore
) -> None:
    url = start_api(settings)
    for priority in ("high", "low", "low"):
        create(url, priority=priority)
    running = create(url)
    assert store.lease(running, "worker-1") is not None
    samples = read(url)
    waiting = {name: samples["easyanimate_queue_waiting", (MODEL, name)] for name in Priority}
    assert waiting == {"high": 1, "normal": 0, "low": 2}
    assert (samples["easyanimate_queue_depth", (MODEL,)], samples["easyanimate_jobs_running", (MODEL,)]) == (3, 1)


def test_a_lost_job_and_a_late_webhook_show_without_a_keeper(
    settings: ServiceSettings, announced: Any, start_api: Any, store: JobStore
) -> None:
    url = start_api(settings.model_copy(update={"webhook_allow_private": True}))
    video_id = create(url, webhook={"url": "http://127.0.0.1:9/hook"})
    assert store.lease(video_id, "worker-1") is not None
    assert httpx.post(
        f"{url}/v1/videos/{create(url, webhook={'url': 'http://127.0.0.1:9/hook'})}/cancel", timeout=60
    ).is_success
    store.redis.zadd(LEASES_KEY, {video_id: store.now() - 1})
    store.redis.zadd(DUE_KEY, dict.fromkeys(store.redis.zrange(DUE_KEY, 0, -1), store.now() - 30))
    samples = read(url)
    assert samples["easyanimate_leases_expired", ()] == 1
    assert samples["easyanimate_webhook_receivers_pending", ()] == 1
    assert 30 <= samples["easyanimate_webhook_overdue_seconds", ()] < 300


def test_requests_are_counted_by_route_and_not_by_video(
    settings: ServiceSettings, announced: Any, start_api: Any
) -> None:
    url = start_api(settings)
    ids = [create(url) for _ in range(3)]
    for video_id in (*ids, "video_nope"):
        httpx.get(f"{url}/v1/videos/{video_id}", timeout=60)
    httpx.get(f"{url}/v1/videos/{ids[0]}", headers={"Prefer": "wait=1"}, timeout=60)
    httpx.get(f"{url}/nowhere/{ids[0]}", timeout=60)
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
    httpx.get(f"{url}/healthz", timeout=60)
    samples = read(url)
    assert samples["easyanimate_redis_up", ()] == 0
    assert samples["easyanimate_http_requests_total", ("GET", "/healthz", "200")] == 1
