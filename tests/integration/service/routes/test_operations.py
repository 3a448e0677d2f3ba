"""Models, health, the reference page, request ids, and problem bodies of framework errors."""

import re
import time
from collections.abc import Callable

import httpx
import pytest
from redis import Redis

from jobs.model.model_card import ModelCard
from jobs.model.states import IdleReason
from jobs.queue.registry import Registry
from jobs.queue.vocabularies import Vocabulary, VocabularyStore
from jobs.redis.keys import vocabulary_key
from jobs.redis.unreadable import RETRY_S
from service.http.error_codes import ERROR_CODES
from service.inputs.prompt_tokens import TokenCounters

Code = Callable[[httpx.Response], str]


def test_models_come_with_their_limits_and_live_workers(api: httpx.Client, redis, announced: ModelCard) -> None:
    Registry(redis).announce(announced, "worker-2")
    models = api.get("/v1/models").json()
    assert models["object"] == "list"
    assert [(model["id"], model["object"], model["live_workers"]) for model in models["data"]] == [
        (announced.name, "model", 2)
    ]
    assert models["data"][0]["card"]["max_frames"] == 48
    assert api.get(f"/v1/models/{announced.name}").json() == models["data"][0]


def test_an_unknown_model_is_a_404(api: httpx.Client, code_of: Code) -> None:
    answer = api.get("/v1/models/nope")
    assert (answer.status_code, code_of(answer)) == (404, "model_not_found")


def test_the_tokens_of_a_prompt_are_counted_with_the_vocabulary_of_a_worker(
    api: httpx.Client, announced: ModelCard, redis: Redis
) -> None:
    path, body = f"/v1/models/{announced.name}/count_tokens", {"prompt": "a, ab"}
    unknown = {"object": "prompt_tokens", "model": announced.name, "tokens": None, "limit": None}
    assert api.post(path, json=body).json() == unknown
    for letters, pieces, tokens in [
        ("ab,", (("▁a", -1.0),), 5),
        ("ab,", (("▁a", -1.0), ("▁a,", -1.0)), 4),
        ("ab", (), None),
    ]:
        vocabulary = {"pieces": (("<unk>", 0.0), *pieces), "unknown": "<unk>", "special": (), "limit": 120}
        VocabularyStore(redis).announce(announced.name, Vocabulary(letters=letters, **vocabulary))
        assert api.post(path, json=body).json() == unknown | {"tokens": tokens, "limit": 120}
    Registry(redis).withdraw(announced.name, "worker-1")
    assert Registry(redis).retire(announced.name) == 0
    assert not redis.exists(vocabulary_key(announced.name))


def test_an_unreadable_vocabulary_counts_as_none(api: httpx.Client, announced: ModelCard, redis: Redis) -> None:
    redis.hset(vocabulary_key(announced.name), mapping={"digest": "d", "content": b"none"})
    answer = api.post(f"/v1/models/{announced.name}/count_tokens", json={"prompt": "a"})
    assert (answer.status_code, answer.json()["tokens"]) == (200, None)


def test_a_repaired_vocabulary_is_read_after_some_minutes(announced: ModelCard, redis: Redis) -> None:
    now, key = [0.0], vocabulary_key(announced.name)
    counters = TokenCounters(VocabularyStore(redis), lambda: now[0])
    vocabulary = Vocabulary(pieces=(("<unk>", 0.0),), unknown="<unk>", special=(), letters="a", limit=120)
    redis.hset(key, mapping={"digest": vocabulary.digest, "content": b"none"})
    assert counters.get(announced.name) is None
    redis.delete(key)
    VocabularyStore(redis).announce(announced.name, vocabulary)
    assert counters.get(announced.name) is None
    now[0] = RETRY_S
    counter = counters.get(announced.name)
    assert counter
    assert counter.count("a a", clean_caption=True) == 3
    assert counters.get(announced.name) is counter


def test_a_complete_front_end_is_ready(api: httpx.Client, announced: ModelCard) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "missing": [], "without_worker": [], "workers": {announced.name: 1}, "idle_reasons": {}},
    )


def test_a_model_without_a_live_worker_is_named_but_its_jobs_may_wait(
    api: httpx.Client, announced: ModelCard, redis
) -> None:
    Registry(redis).withdraw(announced.name, "worker-1")
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["without_worker"]) == (200, [announced.name])
    assert answer.json()["idle_reasons"] == {announced.name: "no_worker"}


def test_the_reason_for_which_no_worker_takes_videos_is_shown(
    api: httpx.Client, announced: ModelCard, redis: Redis
) -> None:
    Registry(redis).announce(announced, "worker-1", idle=IdleReason.DISK_FULL)
    assert api.get("/readyz").json()["idle_reasons"] == {announced.name: "disk_full"}
    (queue,) = api.get("/v1/queue").json()["data"]
    assert (queue["live_workers"], queue["reason"], queue["wait_s"]) == (1, "disk_full", None)
    line = f'easyanimate_workers_idle{{model="{announced.name}",reason="disk_full"}} 1.0'
    assert line in api.get("/metrics").text
    Registry(redis).announce(announced, "worker-1")
    assert api.get("/v1/queue").json()["data"][0]["reason"] is None
    assert api.get("/readyz").json()["idle_reasons"] == {}


def test_a_retired_model_is_not_found(api: httpx.Client, announced: ModelCard, redis: Redis, code_of: Code) -> None:
    registry = Registry(redis)
    registry.announce(announced.model_copy(update={"name": "another"}), "worker-2")
    registry.withdraw(announced.name, "worker-1")
    registry.retire(announced.name)
    assert [model["id"] for model in api.get("/v1/models").json()["data"]] == ["another"]
    submitted = api.post("/v1/videos", json={"prompt": "a red ball", "model": announced.name})
    answers = (api.get(f"/v1/models/{announced.name}"), submitted)
    assert [(answer.status_code, code_of(answer)) for answer in answers] == [(404, "model_not_found")] * 2


def test_readiness_names_the_full_disk(settings, announced: ModelCard, start_api) -> None:
    full = settings.model_copy(update={"min_free_disk_bytes": 1 << 62})
    answer = httpx.get(start_api(full) + "/readyz", timeout=60)
    assert (answer.status_code, answer.json()["missing"]) == (503, ["disk"])


def test_a_front_end_has_started_after_its_first_write(settings, redis, start_api) -> None:
    redis.config_set("maxmemory", "1")
    try:
        url = start_api(settings)
        assert httpx.get(url + "/livez", timeout=60).json() == {"status": "ok"}
        answer = httpx.get(url + "/startupz", timeout=60)
        assert (answer.status_code, answer.json()) == (503, {"status": "starting"})
    finally:
        redis.config_set("maxmemory", "0")
    deadline = time.monotonic() + 120
    while httpx.get(url + "/startupz", timeout=60).status_code == 503:  # the result is remembered for some seconds
        assert time.monotonic() < deadline
        time.sleep(0.2)
    redis.config_set("maxmemory", "1")
    try:
        assert httpx.get(url + "/startupz", timeout=60).json() == {"status": "started"}
    finally:
        redis.config_set("maxmemory", "0")


def test_readiness_needs_a_redis_that_can_be_written(
    api: httpx.Client, settings, redis, start_api, announced: ModelCard
) -> None:
    assert api.get("/readyz").status_code == 200
    redis.config_set("maxmemory", "1")
    try:
        url = start_api(settings)  # its first check
        answer = httpx.get(url + "/readyz", timeout=60)
        metrics = httpx.get(url + "/metrics", timeout=60).text
    finally:
        redis.config_set("maxmemory", "0")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["redis"])
    assert answer.json()["workers"] == {announced.name: 1}
    assert "easyanimate_redis_up 1.0" in metrics
    assert "easyanimate_redis_writable 0.0" in metrics
    assert "easyanimate_redis_writable 1.0" in api.get("/metrics").text


def test_readiness_names_the_missing_model(settings, start_api) -> None:
    answer = httpx.get(start_api(settings) + "/readyz", timeout=60)
    assert (answer.status_code, answer.json()["missing"]) == (503, ["model"])


def test_readiness_names_the_missing_storage(api: httpx.Client, tmp_path) -> None:
    (tmp_path / "objects").rmdir()
    (tmp_path / "objects").write_text("in the way")
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["storage"])


@pytest.fixture(autouse=True)
def _objects(tmp_path) -> None:
    (tmp_path / "objects").mkdir()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("GET", "/v1/nope", 404, "not_found"),
        ("POST", "/", 405, "method_not_allowed"),
        ("PUT", "/v1/videos", 405, "method_not_allowed"),
        ("PATCH", "/v1/videos/x", 405, "method_not_allowed"),
        ("GET", "/v1/videos/x%2Fattempts/y", 404, "not_found"),
    ],
)
def test_errors_of_the_framework_have_a_problem_body(
    api: httpx.Client, code_of: Code, method: str, path: str, status: int, code: str
) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, code_of(answer)) == (status, code)


def test_a_valid_request_id_of_the_client_is_used(api: httpx.Client) -> None:
    for path in ("/healthz", "/nope", "/v1/videos"):
        assert api.get(path, headers={"x-request-id": "job-7.a_b"}).headers["x-request-id"] == "job-7.a_b"


@pytest.mark.parametrize("request_id", ["a b", "x" * 200, "a;b", 'a"b', "é"])
def test_an_invalid_request_id_is_replaced(api: httpx.Client, request_id: str) -> None:
    answer = api.get("/healthz", headers={"x-request-id": request_id.encode()})
    assert answer.headers["x-request-id"].startswith("req_")


def test_the_reference_page_loads_nothing_from_other_origins(api: httpx.Client) -> None:
    page = api.get("/docs")
    needed = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page.text)
    assert page.status_code == 200
    assert {"openapi.json", "docs/swagger-ui-bundle.js", "docs/swagger-ui.css"} <= set(needed)
    assert not [path for path in needed if path.startswith("/") or ":" in path]
    for path in needed:
        assert len(api.get(path).raise_for_status().content) > 1000, path


def test_the_reference_page_serves_nothing_else(api: httpx.Client, code_of: Code) -> None:
    for name in ("redoc.standalone.js", "..%2Fcore.py", "%2Fetc%2Fpasswd"):
        answer = api.get(f"/docs/{name}")
        assert (answer.status_code, code_of(answer)) == (404, "not_found")


def test_an_unexpected_error_is_a_500_without_its_traceback(
    settings, start_api, announced, code_of: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(Registry, "cards", broken)
    answer = httpx.get(start_api(settings) + "/v1/models", headers={"x-request-id": "abc"}, timeout=60)
    assert (answer.status_code, code_of(answer), answer.headers["x-request-id"]) == (500, "internal_error", "abc")
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text


def test_every_error_code_has_an_error_status() -> None:
    assert all(400 <= code.status < 600 for code in ERROR_CODES.values())
