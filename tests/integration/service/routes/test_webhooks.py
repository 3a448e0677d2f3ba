"""Webhook endpoints and the ledger of deliveries, mostly through OpenAI's client."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import openai
import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from jobs.model.delivery import Try
from jobs.model.job import Job
from jobs.webhooks.deliveries import Deliveries
from jobs.webhooks.endpoints import EndpointStore
from service.settings import ServiceSettings
from tests.job_store import JobStore

Code = Callable[[httpx.Response], str]
SECRET = "whsec_" + "c2VjcmV0" * 5
EVENTS = ["video.completed", "video.failed"]


class Handler(BaseHTTPRequestHandler):
    """Responds with the status in the path, and records the requests."""

    received: list[tuple[dict[str, str], str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(int(self.path[1:]))
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[str]:
    Handler.received = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(settings: ServiceSettings) -> ServiceSettings:
    """As elsewhere, but webhooks may go to private addresses: the only ones there are here."""
    return settings.model_copy(update={"webhook_allow_private": True})


@pytest.fixture
def client(api: httpx.Client) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="any", max_retries=0)


@pytest.fixture
def deliveries(store: JobStore) -> Deliveries:
    return Deliveries(store.redis)


def make(api: httpx.Client, url: str, **fields: object) -> str:
    answer = api.post("/v1/webhook_endpoints", json={"url": url, **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_openai_manages_endpoints(client: openai.OpenAI, receiver: str) -> None:
    created = client.webhooks.create(url=f"{receiver}/200", name="mine", event_types=EVENTS)  # type: ignore[arg-type]
    assert (created.name, created.event_types, created.object) == ("mine", EVENTS, "webhook_endpoint")
    read = client.webhooks.retrieve(created.id)
    assert read.signing_secret_hint == f"whsec_…{created.signing_secret[-4:]}"
    assert created.signing_secret not in read.to_json()
    changed = client.webhooks.update(created.id, name="ours", event_types=["video.failed"])
    assert (changed.name, changed.event_types, changed.url) == ("ours", ["video.failed"], created.url)
    others = [client.webhooks.create(url=f"{receiver}/201", name=n, event_types=EVENTS).id for n in "ab"]  # type: ignore[arg-type]
    assert [listed.id for listed in client.webhooks.list(limit=1)] == [*others[::-1], created.id]
    assert client.webhooks.event_types.list().data[0] == "video.queued"
    assert client.webhooks.delete(created.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.webhooks.retrieve(created.id)


def test_openai_rotates_and_tests(client: openai.OpenAI, receiver: str) -> None:
    created = client.webhooks.create(url=f"{receiver}/418", name="mine", event_types=EVENTS)  # type: ignore[arg-type]
    rotated = client.webhooks.rotate_secret(created.id, keep_old_secret_active_for_24_hours=True)
    tested = client.webhooks.test(created.id, event_type="video.failed")
    assert (tested.status_code, tested.event_type, tested.webhook_endpoint_id) == (418, "video.failed", created.id)
    [(headers, body)] = Handler.received
    for secret in (created.signing_secret, rotated.signing_secret):
        assert client.webhooks.unwrap(body, headers, secret=secret).type == "video.failed"
    final = client.webhooks.rotate_secret(created.id)
    client.webhooks.test(created.id, event_type="video.completed")
    headers, body = Handler.received[1]
    Webhook(final.signing_secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(rotated.signing_secret).verify(body, headers)


def test_an_old_secret_signs_for_a_day_after_the_rotation(
    client: openai.OpenAI, receiver: str, store: JobStore
) -> None:
    created = client.webhooks.create(url=f"{receiver}/200", name="mine", event_types=EVENTS)  # type: ignore[arg-type]
    before = store.now()
    rotated = client.webhooks.rotate_secret(created.id, keep_old_secret_active_for_24_hours=True)
    endpoint = EndpointStore(store.redis).find(created.id)
    assert endpoint is not None
    both = (rotated.signing_secret, created.signing_secret)
    assert [endpoint.secrets_at(before + wait_s) for wait_s in (0, 86_390)] == [both, both]
    assert endpoint.secrets_at(endpoint.old_secret_until) == (rotated.signing_secret,)
    assert endpoint.old_secret_until <= store.now() + 86_402  # two seconds for the clocks of a busy machine


def test_the_test_of_an_unreachable_receiver_fails_with_the_reason(
    api: httpx.Client, code_of: Code, free_port: Callable[[], int]
) -> None:
    endpoint = make(api, f"http://127.0.0.1:{free_port()}/")
    answer = api.post(f"/v1/webhook_endpoints/{endpoint}/test")
    assert (answer.status_code, code_of(answer)) == (400, "webhook_unreachable")
    assert "no connection could be opened" in answer.json()["detail"]


def test_an_endpoint_may_have_a_secret_of_its_own_and_has_defaults(api: httpx.Client, receiver: str) -> None:
    created = api.post("/v1/webhook_endpoints", json={"url": f"{receiver}/200", "secret": SECRET}).json()
    assert (created["signing_secret"], created["status"]) == (SECRET, "enabled")
    assert created["event_types"] == ["video.completed", "video.failed", "video.cancelled"]
    assert created["name"] in receiver


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "invalid_request", "url"),
        ({"url": "https://10.0.0.1/"}, "url_not_allowed", "url"),
        ({"url": "http://example.com/"}, "url_not_allowed", "url"),
        ({"url": "https://93.184.216.34/", "event_types": []}, "invalid_request", "event_types"),
        ({"url": "https://93.184.216.34/", "event_types": ["video.made"]}, "invalid_request", "event_types"),
        ({"url": "https://93.184.216.34/", "secret": "hush"}, "invalid_request", "secret"),
        ({"url": "https://93.184.216.34/", "events": ["video.failed"]}, "unknown_parameter", "events"),
    ],
)
def test_a_wrong_field_of_an_endpoint_is_refused_by_name(
    shared_api: httpx.Client, code_of: Code, fields: dict[str, object], code: str, param: str
) -> None:
    answer = shared_api.post("/v1/webhook_endpoints", json=fields)
    assert (answer.status_code, code_of(answer), answer.json()["error"]["param"]) == (400, code, param)
    assert "hush" not in answer.text


def test_a_disabled_endpoint_has_a_reason_and_can_be_enabled_again(
    api: httpx.Client, receiver: str, store: JobStore, deliveries: Deliveries
) -> None:
    endpoint = make(api, f"{receiver}/200", event_types=["video.queued"])
    EndpointStore(store.redis).disable(endpoint, "it answered 410 Gone", 7.0)
    record = api.get(f"/v1/webhook_endpoints/{endpoint}").json()
    assert (record["status"], record["disabled_reason"], record["disabled_at"]) == (
        "disabled",
        "it answered 410 Gone",
        7,
    )
    video = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    assert deliveries.of_job(video) == []
    assert api.post(f"/v1/webhook_endpoints/{endpoint}", json={"enabled": True}).json()["status"] == "enabled"
    video = api.post("/v1/videos", json={"prompt": "b"}).json()["id"]
    assert [row.endpoint_id for row in deliveries.of_job(video)] == [endpoint]


def test_a_caller_has_twenty_endpoints_at_most(api: httpx.Client, code_of: Code, receiver: str) -> None:
    for _ in range(20):
        make(api, f"{receiver}/200")
    answer = api.post("/v1/webhook_endpoints", json={"url": f"{receiver}/200"})
    assert (answer.status_code, code_of(answer)) == (400, "too_many_endpoints")


def test_the_ledger_lists_every_try_and_a_delivery_can_be_repeated(
    api: httpx.Client, receiver: str, code_of: Code, deliveries: Deliveries
) -> None:
    endpoint = make(api, f"{receiver}/200", event_types=["video.queued"])
    webhook = {"url": f"{receiver}/500", "events": ["video.queued"], "secret": SECRET}
    answer = api.post("/v1/videos", json={"prompt": "a", "webhook": webhook})
    url = f"/v1/videos/{answer.json()['id']}/deliveries"
    waiting = api.get(url).json()["data"]
    assert {row["webhook_endpoint_id"] for row in waiting} == {None, endpoint}
    assert {(row["type"], row["status"], len(row["tries"])) for row in waiting} == {("video.queued", "pending", 0)}
    claimed = deliveries.claim(waiting[0]["next_try_at"] + 1)
    assert claimed is not None
    once = Try(at=1.5, url="https://x.example/", status_code=500, answer="500", body="oh", duration_ms=12)
    deliveries.finish(claimed, "exhausted", once)
    [row] = [row for row in api.get(url).json()["data"] if row["id"] == claimed.id]
    assert (row["status"], row["next_try_at"], row["tries"]) == ("exhausted", None, [once.model_dump()])
    assert SECRET not in api.get(url).text
    again = api.post(f"{url}/{claimed.id}/redeliver").json()
    assert (again["status"], again["webhook_id"], len(again["tries"])) == ("pending", row["webhook_id"], 1)
    missing = api.post(f"{url}/dlv_0/redeliver")
    assert (missing.status_code, code_of(missing)) == (404, "delivery_not_found")


@pytest.mark.parametrize("beside", ["events", "deliveries"])
def test_other_keys_of_a_job_are_not_videos(api: httpx.Client, code_of: Code, beside: str) -> None:
    webhook = {"url": "https://93.184.216.34/", "events": ["video.queued"]}
    video = api.post("/v1/videos", json={"prompt": "a", "webhook": webhook}).json()["id"]
    for answer in (
        api.get(f"/v1/videos/{video}:{beside}/deliveries"),
        api.get(f"/v1/videos/{video}:{beside}/attempts"),
        api.delete(f"/v1/videos/{video}:{beside}"),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "video_not_found")


def test_nothing_is_redelivered_to_a_disabled_endpoint(
    api: httpx.Client, receiver: str, code_of: Code, store: JobStore
) -> None:
    endpoint = make(api, f"{receiver}/200", event_types=["video.queued"])
    video = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    [row] = api.get(f"/v1/videos/{video}/deliveries").json()["data"]
    api.post(f"/v1/webhook_endpoints/{endpoint}", json={"enabled": False})
    answer = api.post(f"/v1/videos/{video}/deliveries/{row['id']}/redeliver")
    assert (answer.status_code, code_of(answer)) == (409, "webhook_endpoint_disabled")
    assert answer.headers["x-should-retry"] == "false"
    api.delete(f"/v1/webhook_endpoints/{endpoint}")
    answer = api.post(f"/v1/videos/{video}/deliveries/{row['id']}/redeliver")
    assert (answer.status_code, code_of(answer)) == (404, "webhook_endpoint_not_found")


def test_another_callers_endpoints_and_ledger_do_not_exist(
    settings: ServiceSettings, announced: object, start_api: Callable[[ServiceSettings], str], receiver: str
) -> None:
    keys = {"auth": "keys", "api_keys": (SecretStr("ann"), SecretStr("bob"))}
    url = start_api(settings.model_copy(update=keys))
    with (
        httpx.Client(base_url=url, headers={"authorization": "Bearer ann"}, timeout=60) as ann,
        httpx.Client(base_url=url, headers={"authorization": "Bearer bob"}, timeout=60) as bob,
    ):
        endpoint = make(ann, f"{receiver}/200", event_types=["video.queued"])
        video = ann.post("/v1/videos", json={"prompt": "a"}).json()["id"]
        [row] = ann.get(f"/v1/videos/{video}/deliveries").json()["data"]
        assert bob.get("/v1/webhook_endpoints").json()["data"] == []
        path, mine = f"/v1/webhook_endpoints/{endpoint}", f"/v1/videos/{video}/deliveries"
        for answer in (
            bob.get(path),
            bob.post(path, json={"name": "x"}),
            bob.post(f"{path}/rotate_secret"),
            bob.post(f"{path}/test"),
            bob.delete(path),
            bob.get(mine),
            bob.post(f"{mine}/{row['id']}/redeliver"),
        ):
            assert answer.status_code == 404
        theirs = bob.post("/v1/videos", json={"prompt": "a"}).json()["id"]
        assert bob.get(f"/v1/videos/{theirs}/deliveries").json()["data"] == []
        assert bob.post(f"/v1/videos/{theirs}/deliveries/{row['id']}/redeliver").status_code == 404
    assert Handler.received == []


@pytest.mark.parametrize(
    ("traceparent", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("nonsense", False),
    ],
)
def test_the_trace_of_a_request_is_stored_for_its_webhooks(
    api: httpx.Client, stored: Callable[[str], Job], deliveries: Deliveries, traceparent: str, kept: bool
) -> None:
    webhook = {"url": "https://93.184.216.34/", "events": ["video.queued"]}
    body = {"prompt": traceparent, "webhook": webhook}
    video = api.post("/v1/videos", json=body, headers={"traceparent": traceparent}).json()["id"]
    assert stored(video).traceparent == (traceparent if kept else None)
    [row] = deliveries.of_job(video)
    assert row.traceparent == (traceparent if kept else "")
    assert json.loads(row.body)["data"]["id"] == video
