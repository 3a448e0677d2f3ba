"""EASYANIMATE_DURABLE_SUBMIT=disk: the answer to each change waits for the disk of Redis, not only that to a video."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from jobs.webhooks.endpoints import EndpointStore
from service.settings import ServiceSettings
from tests.integration.jobs.redis.test_durability import waits_of
from tests.integration.service.openapi.snapshot import document
from tests.integration.service.routes.test_files import picture, send
from tests.integration.service.submission.test_durable_submit import without_disk

Send = Callable[[], httpx.Response]
MODEL = "easyanimate-v3-tiny"
BODY = {"prompt": "a red fox"}
HOOK = {"url": "https://93.184.216.34/", "event_types": ["video.completed"]}
READS = {"get", "head", "options"}
# Operations that change nothing in Redis that a caller relies on.
CHANGE_NOTHING = {
    "post /v1/videos/{video_id}/tickets",
    "post /v1/webhook_endpoints/{endpoint_id}/test",
    "post /v1/videos/estimate",
    "post /v1/models/{model}/count_tokens",
    "post /v1/content_provenance_checks",
    "post /mcp",
}


@pytest.fixture
def settings(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    monkeypatch.setattr("service.resources.DISK_TIMEOUT_S", 120.0)  # that of a slow machine takes longer
    return settings.model_copy(update={"durable_submit": "disk"})


@pytest.fixture
def changes(api: httpx.Client) -> dict[str, Send]:
    """A request for each change, on things that exist."""
    webhook = {"url": HOOK["url"], "events": ["video.queued"]}
    video = api.post("/v1/videos", json=BODY | {"webhook": webhook}).json()["id"]
    other = api.post("/v1/videos", json=BODY | {"seed": 2}).json()["id"]
    delivery = api.get(f"/v1/videos/{video}/deliveries").json()["data"][0]["id"]
    file = send(api, picture()).json()["id"]
    hook, hook_2 = (api.post("/v1/webhook_endpoints", json=HOOK).json()["id"] for _ in range(2))
    return {
        "post /v1/files": lambda: send(api, picture()),
        "delete /v1/files/{file_id}": lambda: api.delete(f"/v1/files/{file}"),
        "post /v1/videos/{video_id}/cancel": lambda: api.post(f"/v1/videos/{video}/cancel"),
        "post /v1/videos/{video_id}": lambda: api.post(f"/v1/videos/{other}", json={"priority": "high"}),
        "delete /v1/videos/{video_id}": lambda: api.delete(f"/v1/videos/{other}"),
        "post /v1/videos/{video_id}/deliveries/{delivery_id}/redeliver": lambda: api.post(
            f"/v1/videos/{video}/deliveries/{delivery}/redeliver"
        ),
        "post /v1/webhook_endpoints": lambda: api.post("/v1/webhook_endpoints", json=HOOK),
        "post /v1/webhook_endpoints/{endpoint_id}": lambda: api.post(
            f"/v1/webhook_endpoints/{hook}", json={"name": "mine"}
        ),
        "post /v1/webhook_endpoints/{endpoint_id}/rotate_secret": lambda: api.post(
            f"/v1/webhook_endpoints/{hook}/rotate_secret", json={}
        ),
        "delete /v1/webhook_endpoints/{endpoint_id}": lambda: api.delete(f"/v1/webhook_endpoints/{hook_2}"),
        "post /v1/admin/queues/{model}/pause": lambda: api.post(f"/v1/admin/queues/{MODEL}/pause"),
        "post /v1/admin/queues/{model}/resume": lambda: api.post(f"/v1/admin/queues/{MODEL}/resume"),
        "post /v1/admin/workers/{name}/drain": lambda: api.post("/v1/admin/workers/worker-1/drain"),
    }


def test_the_answer_to_each_change_waits_for_the_disk(changes: dict[str, Send], redis: Redis) -> None:
    waited = {}
    for name, change in changes.items():
        before = waits_of(redis)
        answer = change()
        assert answer.status_code == 200, answer.text
        waited[name] = waits_of(redis) - before
    assert waited == dict.fromkeys(changes, 1)


def test_a_change_that_is_not_on_disk_is_answered_with_503(
    changes: dict[str, Send], redis: Redis, code_of: Callable[[httpx.Response], str]
) -> None:
    with without_disk(redis):
        answers = {name: change() for name, change in changes.items()}
    assert {name: code_of(answer) for name, answer in answers.items()} == dict.fromkeys(changes, "not_durable")
    assert {answer.status_code for answer in answers.values()} == {503}
    assert all("power cut" in answer.json()["detail"] for answer in answers.values())


def test_reads_do_not_wait(api: httpx.Client, redis: Redis) -> None:
    before = waits_of(redis)
    for path in ("/v1/videos", "/v1/files", "/v1/webhook_endpoints", "/v1/models"):
        assert api.get(path).status_code == 200
    assert waits_of(redis) == before


def test_a_repetition_that_changes_nothing_more_waits_too(
    api: httpx.Client, changes: dict[str, Send], redis: Redis, code_of: Callable[[httpx.Response], str]
) -> None:
    """The first try was perhaps not on disk, so the answer "it has ended" would promise too much."""
    assert changes["post /v1/videos/{video_id}/cancel"]().status_code == 200
    assert changes["delete /v1/files/{file_id}"]().status_code == 200
    repeated = (changes["post /v1/videos/{video_id}/cancel"], changes["delete /v1/files/{file_id}"])
    with without_disk(redis):
        assert [code_of(change()) for change in repeated] == ["not_durable"] * 2
    assert [change().status_code for change in repeated] == [409, 404]


def test_what_is_created_but_not_on_disk_is_removed(api: httpx.Client, changes: dict[str, Send], redis: Redis) -> None:
    def listed() -> list[Any]:
        return [api.get(path).json()["data"] for path in ("/v1/files", "/v1/webhook_endpoints")]

    store = EndpointStore(redis)
    before = listed()
    endpoints = {endpoint["id"]: store.get_owned(endpoint["id"], "local").secret for endpoint in before[1]}
    with without_disk(redis):
        send(api, picture())
        api.post("/v1/webhook_endpoints", json=HOOK)
        changes["post /v1/webhook_endpoints/{endpoint_id}/rotate_secret"]()
    assert [[each["id"] for each in kind] for kind in listed()] == [[each["id"] for each in kind] for kind in before]
    assert {name: store.get_owned(name, "local").secret for name in endpoints} == endpoints


def test_each_operation_that_changes_something_may_answer_not_durable(changes: dict[str, Send]) -> None:
    """A new route needs `route_class=DurableRoute` and a line in `changes`, or one in CHANGE_NOTHING."""
    operations = {
        f"{method} {path}": "not_durable" in operation["responses"].get("503", {}).get("description", "")
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if method not in READS
    }
    assert {name for name, is_durable in operations.items() if not is_durable} <= CHANGE_NOTHING
    submits = {"post /v1/videos", "post /v1/videos/edits", "post /v1/videos/extensions"}
    durable = {name for name, is_durable in operations.items() if is_durable}
    of_videos = {"post /v1/videos/{video_id}/remix", "post /v1/videos/{video_id}/promote"}
    assert durable - submits - of_videos == set(changes)
