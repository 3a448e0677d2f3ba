"""Routes of operators: a key with the role admin pauses and resumes queues, and lists and drains workers."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from redis import Redis

from jobs.access.api_keys import ApiKeyStore, Role
from jobs.model.limits import Limits
from jobs.model.model_card import ModelCard
from jobs.model.states import IdleReason
from jobs.queue.registry import Registry
from jobs.queue.workers import WorkerDirectory, WorkerEntry
from service.settings import ServiceSettings
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"
Code = Callable[[httpx.Response], str]
ROUTES = [
    ("POST", f"/v1/admin/queues/{MODEL}/pause"),
    ("POST", f"/v1/admin/queues/{MODEL}/resume"),
    ("GET", "/v1/admin/workers"),
    ("POST", "/v1/admin/workers/worker-1/drain"),
]


@pytest.fixture
def keys(redis: Redis) -> dict[str, dict[str, str]]:
    """The headers of a caller and of an operator."""
    store = ApiKeyStore(redis)
    secrets = {role: store.create(role, role, Limits(), role)[1] for role in Role}
    return {role.value: {"Authorization": f"Bearer {secret}"} for role, secret in secrets.items()}


@pytest.fixture
def api(
    settings: ServiceSettings,
    announced: ModelCard,
    start_api: Callable[[ServiceSettings], str],
    keys: dict[str, dict[str, str]],
) -> Iterator[httpx.Client]:
    """A client with the key of an operator."""
    url = start_api(settings.model_copy(update={"auth": "keys"}))
    with httpx.Client(base_url=url, timeout=120, headers=keys["admin"]) as client:
        yield client


def create(api: httpx.Client) -> str:
    return str(api.post("/v1/videos", json={"prompt": "a red ball", "num_frames": 16}).json()["id"])


def test_only_a_key_with_the_role_admin_is_accepted(
    api: httpx.Client, keys: dict[str, dict[str, str]], code_of: Code, redis: Redis
) -> None:
    for method, path in ROUTES:
        refused = api.request(method, path, headers=keys["caller"])
        assert (refused.status_code, code_of(refused)) == (403, "forbidden")
        assert "--role admin" in refused.json()["detail"]
        unknown = api.request(method, path, headers={"Authorization": "Bearer nobody"})
        assert (unknown.status_code, code_of(unknown)) == (401, "invalid_api_key")
    assert not Registry(redis).pauses.is_paused(MODEL)


def test_a_paused_queue_is_shown_to_callers_and_operators(
    api: httpx.Client, keys: dict[str, dict[str, str]], store: JobStore
) -> None:
    before = create(api)
    paused = api.post(f"/v1/admin/queues/{MODEL}/pause", json={"reason": "an update of the driver"})
    assert paused.status_code == 200
    [row] = api.get("/v1/queue", headers=keys["caller"]).json()["data"]
    assert row == paused.json()
    assert (row["reason"], row["wait_s"], row["accepts"]) == ("paused", None, True)
    assert row["paused"]["reason"] == "an update of the driver"
    assert row["paused"]["since"] == pytest.approx(store.now(), abs=60)
    assert api.get("/readyz").json()["idle_reasons"] == {MODEL: "paused"}
    record = api.get(f"/v1/videos/{before}").json()
    assert (record["queue"], record["eta_s"]) == ({"position": 0, "reason": "paused"}, None)
    assert api.get(f"/v1/videos/{create(api)}").json()["queue"]["position"] == 1
    assert store.first_waiting(MODEL) is None


def test_the_metrics_show_a_paused_queue_with_its_reason(api: httpx.Client) -> None:
    def series(name: str) -> list[str]:
        return [line for line in api.get("/metrics").text.splitlines() if line.startswith(name)]

    assert series("easyanimate_queue_paused") == [f'easyanimate_queue_paused{{model="{MODEL}",reason=""}} 0.0']
    api.post(f"/v1/admin/queues/{MODEL}/pause", json={"reason": 'a "quoted" reason'})
    expected = f'easyanimate_queue_paused{{model="{MODEL}",reason="a \\"quoted\\" reason"}} 1.0'
    assert series("easyanimate_queue_paused") == [expected]
    assert series("easyanimate_queue_expected_wait_seconds") == []


def test_a_resumed_queue_is_as_before_and_a_repeat_changes_nothing(api: httpx.Client, store: JobStore) -> None:
    video = create(api)
    before = api.get(f"/v1/videos/{video}")
    api.post(f"/v1/admin/queues/{MODEL}/pause")
    changed = api.get(f"/v1/videos/{video}", headers={"If-None-Match": before.headers["etag"]})
    assert changed.status_code == 200, "a client that polls sees the pause"
    for _ in range(2):
        resumed = api.post(f"/v1/admin/queues/{MODEL}/resume")
        assert (resumed.status_code, resumed.json()["reason"], resumed.json()["paused"]) == (200, None, None)
    assert api.get(f"/v1/videos/{video}").json() == before.json()
    assert store.first_waiting(MODEL) == video


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (f"/v1/admin/queues/{MODEL}/pause", {"reason": "x" * 201}, 400, "invalid_request"),
        (f"/v1/admin/queues/{MODEL}/pause", {"reasons": "x"}, 400, "unknown_parameter"),
        ("/v1/admin/queues/sora-2/pause", {}, 404, "model_not_found"),
        ("/v1/admin/queues/sora-2/resume", {}, 404, "model_not_found"),
        ("/v1/admin/workers/gpu-9/drain", {}, 404, "worker_not_found"),
    ],
)
def test_an_invalid_request_of_an_operator_is_refused(
    shared_api: httpx.Client, code_of: Code, path: str, body: dict[str, str], status: int, code: str
) -> None:
    refused = shared_api.post(path, json=body)
    assert (refused.status_code, code_of(refused)) == (status, code)


def test_a_service_without_keys_has_one_caller_who_is_also_the_operator(shared_api: httpx.Client) -> None:
    assert shared_api.post(f"/v1/admin/queues/{MODEL}/pause").json()["reason"] == "paused"
    assert shared_api.post(f"/v1/admin/queues/{MODEL}/resume").json()["reason"] is None
    page = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert shared_api.post(f"/v1/admin/queues/{MODEL}/pause", headers=page).status_code == 403


def test_workers_are_listed_with_what_they_do_and_drained_by_name(api: httpx.Client, redis: Redis) -> None:
    directory, video = WorkerDirectory(redis), create(api)
    entry = WorkerEntry(name="gpu-1", host="gpu", pid=7, version="0.2", started_at=5.0, models=(MODEL,), job_id=video)
    directory.announce(entry)
    busy, old = api.get("/v1/admin/workers").json()["data"]
    assert (old["name"], old["state"], old["version"]) == ("worker-1", "unknown", None)
    now = busy.pop("announced_at")
    assert busy == {
        "name": "gpu-1",
        "object": "worker",
        "state": "busy",
        "reason": None,
        "video_id": video,
        "models": [MODEL],
        "loaded_models": [],
        "host": "gpu",
        "pid": 7,
        "version": "0.2",
        "started_at": 5,
        "drain": None,
    }
    first, second = (api.post("/v1/admin/workers/gpu-1/drain").json()["drain"] for _ in range(2))
    assert first == second
    assert (first["state"], first["ends_at"]) == ("requested", None)
    assert first["requested_at"] >= now
    directory.announce(entry.model_copy(update={"reason": IdleReason.DRAINING, "drain_ends_at": 1000.5}))
    [draining, _] = api.get("/v1/admin/workers").json()["data"]
    assert (draining["state"], draining["reason"]) == ("draining", "draining")
    assert (draining["drain"]["state"], draining["drain"]["ends_at"]) == ("accepted", 1000)
    directory.withdraw("gpu-1")
    ended = api.post("/v1/admin/workers/gpu-1/drain")
    assert (ended.status_code, ended.json()["state"], ended.json()["drain"]["state"]) == (200, "ended", "ended")
