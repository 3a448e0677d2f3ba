"""Every response to valid and invalid requests is in the OpenAPI document.

Schemathesis generates the same requests in each run. Some ids are replaced by those of real videos.
"""

import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import count
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from PIL import Image
from redis import Redis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.failure import failure
from jobs.model.model_card import ModelCard
from jobs.model.result_files import Segment
from service.openapi.examples import VIDEO_ID
from service.settings import ServiceSettings
from tests.announced_worker import announce_for_long
from tests.clients.receiver import Receiver
from tests.integration.service.conftest import finished, running_apis
from tests.integration.service.openapi.snapshot import read_snapshot
from tests.job_store import JobStore

KEY = "sk-of-the-document"
AUTH = {"Authorization": f"Bearer {KEY}"}
EXAMPLES = 8
SUCCESS = {200, 201, 204}

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
]

schema = schemathesis.openapi.from_dict(read_snapshot())  # quicker than the document of the code, which equals it
calls = count()
valid_ids: dict[str, list[str]] = {}  # by the name of a path parameter


def ids_of(operation: str, name: str) -> list[str]:
    """The ids of real videos, files and so on for a path parameter; none for others."""
    return valid_ids.get(f"{operation} {name}") or valid_ids.get(name, [])


@schema.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> dict[str, Any]:
    """Replaces two of three ids by valid ones."""
    values = {}
    for name, value in (path_parameters or {}).items():
        place = zlib.crc32(repr(value).encode())
        ids = ids_of(context.operation.label, name)
        values[name] = ids[place % len(ids)] if ids and place % 3 else value
    return values


@pytest.fixture(scope="module")
def statuses() -> Iterator[dict[str, set[int]]]:
    """The statuses of the responses by operation. Each operation that was tested has had a successful one."""
    statuses: dict[str, set[int]] = {}
    yield statuses
    assert [label for label, codes in statuses.items() if not codes & SUCCESS] == []


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Iterator[str]:
    """A front end with keys, and videos in each state, some of them to be deleted."""
    folder = tmp_path_factory.mktemp("document")
    server, receiver = EmbeddedRedis(folder, free_port()).start(), Receiver()
    settings = ServiceSettings.model_validate(
        {"redis_url": server.url, "data_dir": folder, "api_keys": KEY, "webhook_allow_private": True}
    )
    with Redis.from_url(server.url) as redis, running_apis() as start:
        announce_for_long(redis, card)
        address = start(settings)
        with httpx.Client(base_url=address, headers=AUTH, timeout=120) as client:
            _fill(client, JobStore(redis), settings, receiver.url)
        yield address
    receiver.server.shutdown()
    receiver.server.server_close()
    server.stop()


def _fill(client: httpx.Client, store: JobStore, settings: ServiceSettings, receiver: str) -> None:
    completed = _fill_videos(client, store, settings, receiver)
    valid_ids["endpoint_id"] = [_subscribe(client, receiver) for _ in range(3)]
    valid_ids["DELETE /v1/webhook_endpoints/{endpoint_id} endpoint_id"] = [
        _subscribe(client, receiver) for _ in range(EXAMPLES)
    ]
    deliveries = client.get(f"/v1/videos/{completed}/deliveries").raise_for_status().json()["data"]
    valid_ids["delivery_id"] = [delivery["id"] for delivery in deliveries]
    valid_ids["POST /v1/videos/{video_id}/deliveries/{delivery_id}/redeliver video_id"] = [completed]
    valid_ids["file_id"] = [_upload(client) for _ in range(3)]
    valid_ids["DELETE /v1/files/{file_id} file_id"] = [_upload(client) for _ in range(EXAMPLES)]
    valid_ids["model"] = ["easyanimate-v3-tiny"]


def _fill_videos(client: httpx.Client, store: JobStore, settings: ServiceSettings, receiver: str) -> str:
    """Creates videos in each state; returns the id of the completed one."""
    hook = {"url": receiver}
    completed, running, failed, cancelled = (_create(client, webhook=hook) for _ in range(4))
    finished(store, settings, completed)
    segment = Segment(key=f"videos/{running}/0/segment-0000.ts", num_frames=24)
    store.record_segment(running, _leased(store, running), 0, segment)
    store.fail(failed, _leased(store, failed), failure("gpu_out_of_memory"))
    client.post(f"/v1/videos/{cancelled}/cancel").raise_for_status()
    valid_ids["video_id"] = [completed, completed, running, failed, cancelled, _create(client)]
    valid_ids["POST /v1/videos/{video_id} video_id"] = [_create(client)]  # only a waiting video can be changed
    valid_ids["DELETE /v1/videos/{video_id} video_id"] = [_create(client) for _ in range(EXAMPLES)]
    ended = [completed, failed, cancelled]  # the events of others do not end
    valid_ids["GET /v1/videos/{video_id}/events video_id"] = ended
    valid_ids["GET /v1/videos/{video_id}/playlist.m3u8 video_id"] = [running]  # the others have one window
    return completed


def _create(client: httpx.Client, **fields: object) -> str:
    return str(client.post("/v1/videos", json={"prompt": "a", **fields}).raise_for_status().json()["id"])


def _upload(client: httpx.Client) -> str:
    sent = client.post("/v1/files", files={"file": ("start.png", image_bytes())}, data={"purpose": "vision"})
    return str(sent.raise_for_status().json()["id"])


def _subscribe(client: httpx.Client, receiver: str) -> str:
    body = {"url": receiver, "name": "a", "event_types": ["video.failed"]}
    return str(client.post("/v1/webhook_endpoints", json=body).raise_for_status().json()["id"])


def _leased(store: JobStore, job_id: str) -> str:
    """Leases the job; returns the token of its attempt."""
    job = store.lease(job_id, "worker-1")
    assert job is not None
    assert job.token is not None
    return job.token


def image_bytes() -> bytes:
    out = BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return out.getvalue()


@schema.parametrize()
@seed(2)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_response_is_documented_and_no_server_error(
    case: schemathesis.Case, url: str, statuses: dict[str, set[int]]
) -> None:
    _vary(case)
    if not statuses.get(case.operation.label, set()) & SUCCESS:
        _insert_real_ids(case)
    answer = case.call(base_url=url, headers=AUTH, timeout=240)
    statuses.setdefault(case.operation.label, set()).add(answer.status_code)
    case.validate_response(answer, checks=CHECKS, headers=AUTH)


def _vary(case: schemathesis.Case) -> None:
    """Replaces examples that would be refused or slow when repeated."""
    if case.headers.get("Prefer") == "wait=30":
        case.headers["Prefer"] = "wait=0"
    if case.headers.get("Idempotency-Key") and (number := next(calls)) % 8:
        case.headers["Idempotency-Key"] = f"order-{number}"
    body = case.body if isinstance(case.body, dict) else {}
    if isinstance(video := body.get("video"), dict) and video.get("id") == VIDEO_ID:
        case.body = {**body, "video": {**video, "id": valid_ids["video_id"][0]}}


def _insert_real_ids(case: schemathesis.Case) -> None:
    """Gives each path parameter a value that exists."""
    for name in case.path_parameters:
        if ids := ids_of(case.operation.label, name):
            case.path_parameters[name] = ids[0]
