"""Every answer to whatever requests the OpenAPI document allows, and many it does not, is one the document tells of.

Schemathesis makes the requests, the same ones in each run. A part of the ids is exchanged for those of real videos.
"""

import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import count
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
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

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.failure import failure
from jobs.model.model_card import ModelCard
from jobs.model.result_files import Segment
from jobs.queue.registry import Registry
from service.app import create_app
from service.openapi.examples import VIDEO_ID
from service.settings import ServiceSettings
from tests.clients.receiver import Receiver
from tests.conftest import free_port
from tests.integration.service.conftest import finished, running_apis
from tests.job_store import JobStore

KEY = "sk-of-the-document"
AUTH = {"Authorization": f"Bearer {KEY}"}
EXAMPLES = 15

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
]

schema = schemathesis.openapi.from_dict(create_app(ServiceSettings()).openapi())
calls = count()
answered: dict[str, set[int]] = {}  # by operation
known: dict[str, list[str]] = {}  # by the name of a path parameter


@schema.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> dict[str, Any]:
    """Two of three ids lead somewhere."""
    found = {}
    for name, value in (path_parameters or {}).items():
        place = zlib.crc32(repr(value).encode())
        ids = known.get(f"{context.operation.label} {name}") or known.get(name, [])
        found[name] = ids[place % len(ids)] if ids and place % 3 else value
    return found


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Iterator[str]:
    """A front end that wants a key, with videos that wait, run, have ended each way, and are there to be deleted."""
    folder = tmp_path_factory.mktemp("document")
    server, receiver = EmbeddedRedis(folder, free_port()).start(), Receiver()
    settings = ServiceSettings.model_validate(
        {"redis_url": server.url, "data_dir": folder, "api_keys": KEY, "webhook_allow_private": True}
    )
    with Redis.from_url(server.url) as redis, running_apis() as start:
        Registry(redis).announce(card, "worker-1")
        address = start(settings)
        with httpx.Client(base_url=address, headers=AUTH, timeout=30) as client:
            _fill(client, JobStore(redis), settings, receiver.url)
        yield address
    receiver.server.shutdown()
    receiver.server.server_close()
    server.stop()


def _fill(client: httpx.Client, store: JobStore, settings: ServiceSettings, receiver: str) -> None:
    def ask(**fields: object) -> str:
        return str(client.post("/v1/videos", json={"prompt": "a", **fields}).raise_for_status().json()["id"])

    def send() -> str:
        sent = client.post("/v1/files", files={"file": ("start.png", png)}, data={"purpose": "vision"})
        return str(sent.raise_for_status().json()["id"])

    def subscribe() -> str:
        asked = {"url": receiver, "name": "a", "event_types": ["video.failed"]}
        return str(client.post("/v1/webhook_endpoints", json=asked).raise_for_status().json()["id"])

    png = picture()
    completed, running, failed, cancelled = (ask(webhook={"url": receiver}) for _ in range(4))
    finished(store, settings, completed)
    tokens: dict[str, str] = {}
    for job_id in (running, failed):
        job = store.lease(job_id, "worker-1")
        assert job is not None
        assert job.token is not None
        tokens[job_id] = job.token
    store.record_segment(running, tokens[running], 0, Segment(key=f"videos/{running}/0/segment-0000.ts", num_frames=24))
    store.fail(failed, tokens[failed], failure("gpu_out_of_memory"))
    client.post(f"/v1/videos/{cancelled}/cancel").raise_for_status()
    known["video_id"] = [completed, completed, running, failed, cancelled, ask()]
    known["DELETE /v1/videos/{video_id} video_id"] = [ask() for _ in range(EXAMPLES)]
    known["GET /v1/videos/{video_id}/events video_id"] = [completed, failed, cancelled]  # of others it would not end
    known["GET /v1/videos/{video_id}/playlist.m3u8 video_id"] = [running]  # the others are one window long
    known["endpoint_id"] = [subscribe() for _ in range(3)]
    known["DELETE /v1/webhook_endpoints/{endpoint_id} endpoint_id"] = [subscribe() for _ in range(EXAMPLES)]
    told = client.get(f"/v1/videos/{completed}/deliveries").raise_for_status().json()["data"]
    known["delivery_id"] = [delivery["id"] for delivery in told]
    known["POST /v1/videos/{video_id}/deliveries/{delivery_id}/redeliver video_id"] = [completed]
    known["file_id"] = [send() for _ in range(3)]
    known["DELETE /v1/files/{file_id} file_id"] = [send() for _ in range(EXAMPLES)]
    known["model"] = ["easyanimate-v3-tiny"]


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return out.getvalue()


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_undocumented_or_an_accident(case: schemathesis.Case, url: str) -> None:
    _make_useful(case)
    answer = case.call(base_url=url, headers=AUTH)
    answered.setdefault(case.operation.label, set()).add(answer.status_code)
    case.validate_response(answer, checks=CHECKS, headers=AUTH)


def test_every_operation_has_been_asked_for_something_it_does() -> None:
    labels = {f"{method.upper()} {path}" for path, found in schema.raw_schema["paths"].items() for method in found}
    assert {label for label in labels if not answered[label] & {200, 201, 204}} == set()


def _make_useful(case: schemathesis.Case) -> None:
    """Exchange the document's examples where the same one again and again would only be refused or take long."""
    if case.headers.get("Prefer") == "wait=30":
        case.headers["Prefer"] = "wait=0"
    if case.headers.get("Idempotency-Key") and (number := next(calls)) % 8:
        case.headers["Idempotency-Key"] = f"order-{number}"
    body = case.body if isinstance(case.body, dict) else {}
    if isinstance(video := body.get("video"), dict) and video.get("id") == VIDEO_ID:
        case.body = {**body, "video": {**video, "id": known["video_id"][0]}}
