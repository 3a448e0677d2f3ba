"""Drafts and promotions through a real front end: refusals, records, quotas, copies, expiry and deletion."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from jobs.access.api_keys import ApiKeyStore
from jobs.model.input_files import DRAFT_STATE
from jobs.model.job import Job
from jobs.model.limits import Limits
from jobs.model.model_card import ModelCard
from jobs.model.result_files import sibling_key
from jobs.model.states import State
from jobs.queue.registry import Registry
from jobs.redis.keys import record_key
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage, read_all
from service.settings import ServiceSettings
from tests.integration.service.conftest import finished
from tests.job_store import JobStore
from worker.keeper.orphans import OrphanSweeper
from worker.keeper.retention import RetentionSweeper
from worker.settings import KeeperSettings

Code = Callable[[httpx.Response], str]
Finish = Callable[[str], bytes]
DRAFT: dict[str, Any] = {
    "prompt": "a large red circle", "size": "64x64", "num_frames": 8, "num_inference_steps": 10, "seed": 5,
    "draft": {"steps": 2},
}  # fmt: skip
PIXEL_FRAMES = 64 * 64 * 8


@pytest.fixture
def storage(settings: ServiceSettings) -> Storage:
    return open_storage(settings)


@pytest.fixture
def draft(api: httpx.Client, store: JobStore, settings: ServiceSettings, storage: Storage) -> Job:
    """A finished draft with a state in storage."""
    return finished_draft(api.post("/v1/videos", json=DRAFT).raise_for_status().json()["id"], store, settings)


def finished_draft(video_id: str, store: JobStore, settings: ServiceSettings) -> Job:
    finished(store, settings, video_id)
    job = store.get(video_id)
    open_storage(settings).put_bytes(state_key(job), b"state")
    return job


def state_key(job: Job) -> str:
    assert job.result
    return sibling_key(job.result.video_key, DRAFT_STATE)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"draft": {"steps": 10}}, "draft.steps", "between 1 and 9"),
        ({"draft": {"steps": 0}}, "draft.steps", "1"),
        ({"draft": {}}, "draft.steps", "missing"),
        ({"draft": {"steps": 2, "size": 1}}, "draft.size", "there are steps"),
        ({"num_frames": 96}, "draft", "one window"),
        ({"quality": "fast"}, "draft", 'send quality "exact"'),
        ({"num_inference_steps": 1, "draft": {"steps": 1}}, "draft", "two steps"),
        ({"prompt": None, "num_frames": None, "shots": [{"prompt": "a", "num_frames": 8}]}, "draft", "shots"),
    ],
)
def test_a_draft_that_is_not_possible_is_refused(
    shared_api: httpx.Client, fields: dict[str, Any], param: str, words: str
) -> None:
    answer = shared_api.post("/v1/videos", json={k: v for k, v in (DRAFT | fields).items() if v is not None})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param), error
    assert words in error["message"], error


def test_a_form_can_ask_for_a_draft(api: httpx.Client) -> None:
    fields = {"prompt": "a circle", "num_inference_steps": "10", "num_frames": "8", "draft[steps]": "2"}
    answer = api.post("/v1/videos", files={name: (None, value) for name, value in fields.items()})
    assert answer.json().get("draft") == {"steps": 2}, answer.json()


def test_a_finished_draft_is_completed_with_the_state_draft_everywhere(
    api: httpx.Client, draft: Job, redis: Redis, store: JobStore
) -> None:
    record = api.get(f"/v1/videos/{draft.id}").json()
    listed = api.get("/v1/videos", params={"status": "completed"}).json()["data"]
    for each in (record, *listed):
        assert (each["status"], each["state"], each["progress"]) == ("completed", "draft", 100)
        assert (each["draft"], each["promoted_from"], each["draft_reused"]) == ({"steps": 2}, None, None)
    assert api.get(f"/v1/videos/{draft.id}/content").status_code == 200
    assert store.get(draft.id).state is State.COMPLETED  # which older releases read
    with api.stream("GET", f"/v1/videos/{draft.id}/events", headers={"Last-Event-ID": "0"}) as events:
        text = events.read().decode()
    states = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {") and '"state"' in line]
    assert [state["state"] for state in states if "attempt" in state][-1] == "draft"


def test_the_webhook_of_a_draft_names_its_state(
    api: httpx.Client, store: JobStore, settings: ServiceSettings, redis: Redis
) -> None:
    bodies = []
    for fields in (DRAFT, {**DRAFT, "draft": None}):
        wanted = {name: value for name, value in fields.items() if value is not None}
        record = api.post("/v1/videos", json={**wanted, "webhook": {"url": "https://example.com/hook"}}).json()
        finished(store, settings, record["id"])
        (row,) = [redis.hgetall(key) for key in redis.keys("delivery:*") if record["id"] in str(redis.hgetall(key))]
        bodies.append(json.loads(row[b"body"]))
    assert [body["type"] for body in bodies] == ["video.completed", "video.completed"]
    assert [body["data"]["state"] for body in bodies] == ["draft", "completed"]


@pytest.mark.parametrize("action", ["remix", "extensions", "edits"])
def test_a_draft_is_no_source(api: httpx.Client, draft: Job, code_of: Code, action: str) -> None:
    path = f"/v1/videos/{draft.id}/remix" if action == "remix" else f"/v1/videos/{action}"
    source = {} if action == "remix" else {"video": {"id": draft.id}, "num_frames": 8}
    answer = api.post(path, json={"prompt": "a circle", **source})
    assert (answer.status_code, code_of(answer)) == (409, "video_not_ready")
    assert answer.headers["x-should-retry"] == "false"


def test_a_promotion_has_the_settings_of_the_draft_and_a_copy_of_its_state(
    api: httpx.Client, draft: Job, stored: Callable[[str], Job], storage: Storage
) -> None:
    answer = api.post(f"/v1/videos/{draft.id}/promote", json={"metadata": {"order": "1"}, "priority": "high"})
    record = answer.json()
    assert answer.status_code == 200, record
    assert (record["promoted_from"], record["draft"], record["state"]) == (draft.id, None, "queued")
    assert (record["seed"], record["metadata"], record["priority"]) == (5, {"order": "1"}, "high")
    request = stored(record["id"]).request
    assert request.model_copy(update={"draft_key": None, "promoted_steps": 0, "metadata": {}}) == (
        draft.request.model_copy(update={"draft_steps": None})
    )
    assert (request.promoted_steps, request.draft_key) == (2, f"inputs/{record['id']}/{DRAFT_STATE}")
    assert read_all(storage, request.draft_key or "") == b"state"


def test_a_promotion_needs_no_body_and_is_made_once_for_a_key(api: httpx.Client, draft: Job) -> None:
    path, headers = f"/v1/videos/{draft.id}/promote", {"Idempotency-Key": "a"}
    first, again = (api.post(path, json={}, headers=headers) for _ in range(2))
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first.json()["id"], "true")


def test_a_promotion_keeps_its_state_when_the_draft_is_deleted(
    api: httpx.Client, draft: Job, stored: Callable[[str], Job], storage: Storage
) -> None:
    promoted = api.post(f"/v1/videos/{draft.id}/promote", json={}).json()["id"]
    assert api.delete(f"/v1/videos/{draft.id}").status_code == 200
    assert [item.key for item in storage.list(f"videos/{draft.id}/")] == []
    assert read_all(storage, stored(promoted).request.draft_key or "") == b"state"


def test_a_remix_of_a_promotion_is_a_straight_run(
    api: httpx.Client, draft: Job, stored: Callable[[str], Job], finish: Finish
) -> None:
    promoted = api.post(f"/v1/videos/{draft.id}/promote", json={}).json()["id"]
    finish(promoted)
    remix = api.post(f"/v1/videos/{promoted}/remix", json={"prompt": "a large blue square"}).json()["id"]
    request = stored(remix).request
    assert (request.draft_key, request.promoted_steps, request.draft_steps) == (None, 0, None)


def test_only_a_finished_draft_of_the_caller_can_be_promoted(
    api: httpx.Client, draft: Job, finish: Finish, code_of: Code
) -> None:
    waiting = api.post("/v1/videos", json=DRAFT).json()["id"]
    answers = [api.post(f"/v1/videos/{video_id}/promote", json={}) for video_id in (waiting, "video_0123")]
    assert [(each.status_code, code_of(each)) for each in answers] == [
        (409, "video_not_ready"),
        (404, "video_not_found"),
    ]
    finish(waiting)
    plain = api.post("/v1/videos", json={k: v for k, v in DRAFT.items() if k != "draft"}).json()["id"]
    finish(plain)
    answer = api.post(f"/v1/videos/{plain}/promote", json={})
    assert (answer.status_code, code_of(answer)) == (400, "invalid_request")
    assert "is no draft" in answer.json()["detail"]
    unknown = api.post(f"/v1/videos/{draft.id}/promote", json={"prompt": "another"})
    assert (unknown.status_code, code_of(unknown)) == (400, "unknown_parameter")


def test_a_draft_of_a_retired_model_is_refused(
    api: httpx.Client, draft: Job, announced: ModelCard, redis: Redis, code_of: Code
) -> None:
    registry = Registry(redis)
    registry.announce(announced.model_copy(update={"name": "another"}), "worker-2")
    registry.withdraw(announced.name, "worker-1")
    registry.retire(announced.name)
    answer = api.post(f"/v1/videos/{draft.id}/promote", json={})
    assert (answer.status_code, code_of(answer)) == (404, "model_not_found")
    registry.announce(announced, "worker-1")
    assert api.post(f"/v1/videos/{draft.id}/promote", json={}).json()["promoted_from"] == draft.id


def test_an_expired_draft_is_gone(
    settings: ServiceSettings, announced: ModelCard, start_api: Any, store: JobStore, code_of: Code
) -> None:
    url = start_api(settings.model_copy(update={"retention_s": 60.0}))
    video_id = httpx.post(f"{url}/v1/videos", json=DRAFT, timeout=60).json()["id"]
    finished_draft(video_id, store, settings)
    store.redis.hincrbyfloat(record_key(video_id), "expires_at", -3600)  # an hour passes
    answer = httpx.post(f"{url}/v1/videos/{video_id}/promote", json={}, timeout=60)
    assert (answer.status_code, code_of(answer)) == (410, "asset_expired")


def test_sweepers_spare_the_state_until_the_draft_expires(
    draft: Job, redis: Redis, storage: Storage, settings: ServiceSettings
) -> None:
    later = JobStore(redis)
    keeper = KeeperSettings(redis_url=settings.redis_url, data_dir=settings.data_dir)
    for seconds, is_kept in ((3600.0, True), ((draft.retention_s or 0.0) + 3600.0, False)):
        later.table.now = lambda seconds=seconds: later.redis.time()[0] + seconds  # type: ignore[method-assign,misc]
        RetentionSweeper(later.table, storage, keeper).sweep()
        OrphanSweeper(later.table, storage, keeper).sweep()
        assert [item.key for item in storage.list("videos/") if item.key.endswith(DRAFT_STATE)] == (
            [state_key(draft)] if is_kept else []
        )


@pytest.mark.usefixtures("within_a_day")
def test_quotas_estimates_and_usage_count_the_share_of_the_steps(
    redis: Redis, settings: ServiceSettings, announced: ModelCard, start_api: Any, store: JobStore
) -> None:
    _, secret = ApiKeyStore(redis).create("test", "studio", Limits(pixel_frames_per_day=3 * PIXEL_FRAMES))
    url = start_api(settings.model_copy(update={"auth": "keys"}))
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=120) as client:
        estimate = client.post("/v1/videos/estimate", json={**DRAFT, "n": 5}).json()
        assert (estimate["pixel_frames"], estimate["steps"]) == (5 * -(-PIXEL_FRAMES // 5), 2)
        batch = client.post("/v1/videos", json={**DRAFT, "n": 5}).json()["batch"]
        left = int(_left(client.post("/v1/videos", json=DRAFT)))
        assert left == 3 * PIXEL_FRAMES - 6 * -(-PIXEL_FRAMES // 5)
        finished_draft(batch[0], store, settings)
        promoted = client.post(f"/v1/videos/{batch[0]}/promote", json={})
        assert int(_left(promoted)) == left - -(-PIXEL_FRAMES * 8 // 10)
        usage = client.get("/v1/usage").json()["total"]
        assert (usage["videos"], usage["pixel_frames"]) == (1, -(-PIXEL_FRAMES // 5))


def _left(answer: httpx.Response) -> str:
    return answer.raise_for_status().headers["ratelimit"].partition('"pixel-frames";r=')[2].partition(";")[0]
