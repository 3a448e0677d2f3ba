"""During an outage of Redis nothing is accepted; afterwards the service recovers by itself."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from service.settings import ServiceSettings

Code = Callable[[httpx.Response], str]


@pytest.fixture
def client(own_redis: EmbeddedRedis, tmp_path, start_api) -> Iterator[httpx.Client]:
    settings = ServiceSettings(redis_url=own_redis.url, data_dir=tmp_path)
    with httpx.Client(base_url=start_api(settings), timeout=120) as client:
        yield client


def test_without_redis_every_response_is_a_503_with_retry_after_until_redis_is_back(
    client: httpx.Client, own_redis: EmbeddedRedis, code_of: Code
) -> None:
    kept = client.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    own_redis.stop()
    requests = (("POST", "/v1/videos"), ("GET", f"/v1/videos/{kept}"), ("GET", "/v1/videos"), ("GET", "/v1/models"))
    for method, path in requests:
        answer = client.request(method, path, json={"prompt": "b"} if method == "POST" else None)
        assert (answer.status_code, code_of(answer)) == (503, "queue_unavailable")
        assert int(answer.headers["retry-after"]) <= 30
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json()["missing"] == ["redis"]
    own_redis.start()
    assert client.post("/v1/videos", json={"prompt": "c"}).status_code == 200
    assert [video["prompt"] for video in client.get("/v1/videos").json()["data"]] == ["c", "a"]


def test_a_redis_that_cannot_write_is_a_503(client: httpx.Client, own_redis: EmbeddedRedis, code_of: Code) -> None:
    with Redis.from_url(own_redis.url) as redis:
        redis.config_set("maxmemory", "1")
    answer = client.post("/v1/videos", json={"prompt": "a"})
    assert (answer.status_code, code_of(answer)) == (503, "queue_unavailable")


def test_the_image_of_a_refused_job_is_not_stored(client: httpx.Client, own_redis: EmbeddedRedis, tmp_path) -> None:
    gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00"
    gif += b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    with Redis.from_url(own_redis.url) as redis:
        redis.config_set("maxmemory", "1")
    assert client.post("/v1/videos", data={"prompt": "a"}, files={"image": gif}).status_code == 503
    assert not [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]


def test_a_request_refused_during_the_outage_is_repeated_as_a_new_video_at_every_front_end(
    client: httpx.Client, own_redis: EmbeddedRedis, tmp_path, start_api
) -> None:
    body, again = {"prompt": "a red fox"}, {"x-stainless-retry-count": "1"}
    other = start_api(ServiceSettings(redis_url=own_redis.url, data_dir=tmp_path))
    older = client.post("/v1/videos", json=body).json()["id"]
    own_redis.stop()
    assert client.post("/v1/videos", json=body).status_code == 503
    assert client.post("/v1/videos", json={"prompt": "another"}, headers=again).status_code == 503
    own_redis.start()
    with Redis.from_url(own_redis.url) as redis:
        deadline = time.monotonic() + 240
        while not redis.keys("refused:*"):  # the front end writes what it refused
            assert time.monotonic() < deadline
            time.sleep(0.05)
    first, second = (httpx.post(f"{url}/v1/videos", json=body, headers=again, timeout=120) for url in (other, other))
    assert older != first.json()["id"] == second.json()["id"]
    assert ("idempotency-replayed" in first.headers, "idempotency-replayed" in second.headers) == (False, True)


def test_the_front_end_that_refused_a_request_during_the_outage_repeats_it_as_a_new_video_at_once(
    client: httpx.Client, own_redis: EmbeddedRedis
) -> None:
    form = {"data": {"prompt": "a red fox"}, "files": {"image": ("", b"")}}
    older = client.post("/v1/videos", **form).json()["id"]
    own_redis.stop()
    assert client.post("/v1/videos", **form).status_code == 503
    own_redis.start()
    repeat = client.post("/v1/videos", **form, headers={"x-stainless-retry-count": "1"})
    assert (repeat.status_code, repeat.json()["id"] == older) == (200, False)
