"""Parts of the Python client: events, records, pauses before retries, downloads, webhooks."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from easyanimate_client import EasyAnimate, WebhookVerificationFailed, error_codes, errors, verify_webhook
from easyanimate_client.decoding import decode
from easyanimate_client.errors import ApiError, ConnectionFailed, ContentChanged, DownloadFailed
from easyanimate_client.retries import RetryPolicy, advised_s, poll_delay_s
from easyanimate_client.server_sent_events import Event, EventParser
from easyanimate_client.transfer import Transfer

from jobs.webhooks.signature import signed_headers
from tests.clients.own.front_end import FrontEnd
from tests.clients.receiver import Receiver

STREAM = (
    '\ufeff: a comment\n\nid: 1\nevent: state\ndata: {"a":\ndata: "x\u2028y\u0085"}\n\n'
    'id:2\r\ndata:{"b":1}\r\n\r\nevent: log\r\r'
    'retry: 5\nevent: done\ndata: {"c":"狐"}\n\ndata: {"cut":1}\n'
).encode()
EVENTS = [Event("state", {"a": "x\u2028y\u0085"}, "1"), Event("message", {"b": 1}, "2"), Event("done", {"c": "狐"})]
OLD, NEW, OTHER = ("whsec_" + text * 5 for text in ("b2xkb2xk", "bmV3bmV3", "b3RoZXIx"))


def test_events_are_the_same_however_the_stream_is_split() -> None:
    for size in range(1, len(STREAM) + 1):
        parser = EventParser()
        chunks = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
        assert [event for chunk in chunks for event in parser.feed(chunk)] == EVENTS, f"chunks of {size} bytes"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A record in another one."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A record with each kind of field."""

    id: str
    part: Part | None
    parts: list[Part]
    numbers: dict[str, float]


def test_records_of_newer_and_older_services_are_read() -> None:
    newer = decode(Whole, {"id": "a", "part": {"name": "b", "x": 1}, "parts": [{"name": "c"}], "numbers": {}, "y": 2})
    assert newer == Whole(id="a", part=Part(name="b"), parts=[Part(name="c")], numbers={})
    assert decode(Whole, {"id": "a", "parts": []}).part is None


def refusal(status: int, code: str | None = None, **headers: str) -> ApiError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return ApiError(status, "refused", code=code, param=None, headers=names)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        (timedelta(hours=1), 3300, 3600),
        (timedelta(hours=-1), 0, 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | timedelta, least: float, most: float) -> None:
    header = value if isinstance(value, str) else format_datetime(datetime.now(UTC) + value, usegmt=True)
    advised = advised_s({"retry-after": header})
    assert advised is not None
    assert least <= advised <= most


@pytest.mark.parametrize("value", ["", "-1", "soon", "7.5", "٧"])
def test_an_invalid_retry_after_is_ignored(value: str) -> None:
    assert advised_s({"retry-after": value}) is None


def test_the_advised_pause_is_obeyed_up_to_two_minutes() -> None:
    policy = RetryPolicy(4)
    pause = policy.delay_s(refusal(429, retry_after="7"), 1, is_repeatable=True)
    assert pause is not None
    assert 7 <= pause <= 7.1
    assert policy.delay_s(refusal(429, retry_after="3600"), 1, is_repeatable=True) is None


@pytest.mark.parametrize(("tries", "most"), [(1, 0.5), (2, 1), (4, 4), (9, 8)])
def test_a_pause_without_advice_doubles_up_to_eight_seconds(
    monkeypatch: pytest.MonkeyPatch, tries: int, most: float
) -> None:
    monkeypatch.setattr("easyanimate_client.retries.FIRST_DELAY_S", 0.5)
    pause = RetryPolicy(10).delay_s(ConnectionFailed("broken"), tries, is_repeatable=True)
    assert pause is not None
    assert most / 2 <= pause <= most
    assert RetryPolicy(tries - 1).delay_s(ConnectionFailed("broken"), tries, is_repeatable=True) is None


@pytest.mark.parametrize(
    ("error", "repeatable", "other"),
    [
        (ConnectionFailed("broken"), True, False),
        (ConnectionFailed("refused", is_sent=False), True, True),
        (refusal(500), True, False),
        (refusal(502), True, False),
        (refusal(429), True, True),
        (refusal(503), True, True),
        (refusal(503, x_should_retry="false"), False, False),
        (refusal(400), False, False),
        (refusal(409, "idempotency_in_flight"), True, True),
        (refusal(409, "video_not_ready"), False, False),
    ],
)
def test_in_doubt_only_a_request_that_may_be_executed_twice_is_repeated(
    error: errors.EasyAnimateError, repeatable: bool, other: bool
) -> None:
    policy = RetryPolicy(4)
    assert (policy.delay_s(error, 1, is_repeatable=True) is not None) is repeatable
    assert (policy.delay_s(error, 1, is_repeatable=False) is not None) is other


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({"openai-poll-after-ms": "2500", "retry-after": "3"}, 2.5), ({"retry-after": "3"}, 3), ({}, 1)],
)
def test_polls_obey_the_advised_pace(headers: dict[str, str], expected: float) -> None:
    assert poll_delay_s(headers) == expected


def begun() -> Transfer:
    """A transfer of four bytes of ten."""
    transfer = Transfer(None)
    transfer.begin(200, {"etag": '"a"', "content-length": "10"})
    transfer.add(b"0123")
    return transfer


def test_the_rest_of_the_same_file_is_requested() -> None:
    transfer = begun()
    assert transfer.headers() == {"Accept-Encoding": "identity", "Range": "bytes=4-", "If-Range": '"a"'}
    transfer.begin(206, {"etag": '"a"', "content-range": "bytes 4-9/10"})
    assert transfer.add(b"456789") == b"456789"


def test_a_proxy_without_ranges_sends_all_again() -> None:
    transfer = begun()
    transfer.begin(200, {"etag": '"a"', "content-length": "10"})
    assert [transfer.add(b"012"), transfer.add(b"345"), transfer.add(b"6789")] == [b"", b"45", b"6789"]


@pytest.mark.parametrize("etag", ['"b"', 'W/"a"', None])
def test_parts_of_different_files_are_not_joined(etag: str | None) -> None:
    with pytest.raises(ContentChanged):
        begun().begin(200, {} if etag is None else {"etag": etag})


@pytest.mark.parametrize("content_range", [None, "bytes 5-9/10", "bytes */10"])
def test_another_range_is_refused(content_range: str | None) -> None:
    headers = {"etag": '"a"'} | ({} if content_range is None else {"content-range": content_range})
    with pytest.raises(DownloadFailed):
        begun().begin(206, headers)


def test_a_compressed_answer_is_refused() -> None:
    with pytest.raises(DownloadFailed, match="compressed"):
        Transfer(None).begin(200, {"content-encoding": "gzip"})


def test_an_answer_that_ends_early_is_a_broken_connection() -> None:
    with pytest.raises(ConnectionFailed, match="4 of 10"):
        begun().end()


def test_a_refused_range_after_the_last_byte_is_the_end() -> None:
    transfer = Transfer(None)
    transfer.begin(200, {"etag": '"a"'})  # without a length
    transfer.add(b"0123")
    assert not transfer.ends_with(ConnectionFailed("broken"))
    headers = {"content-range": "bytes */4"}
    assert transfer.ends_with(errors.WrongRange(416, "refused", code=None, param=None, headers=headers))


BODY = json.dumps(
    {"id": "evt_1", "object": "event", "type": "video.completed", "data": {"id": "video_1", "word": "狐"}}
)


@pytest.mark.parametrize("secrets", [OLD, NEW, [OTHER, NEW], (OLD,)])
@pytest.mark.parametrize("body", [BODY, BODY.encode()])
def test_a_webhook_is_verified_with_either_secret_while_it_is_rotated(secrets: Any, body: str | bytes) -> None:
    headers = signed_headers([OLD, NEW], "evt_1", BODY, time.time())
    event = verify_webhook(body, {name.title(): value for name, value in headers.items()}, secrets)
    assert (event.type, event.data.id) == ("video.completed", "video_1")


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "evt_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "now"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,nonsense v2,bm8= x"},
    ],
    ids=str,
)
def test_a_changed_webhook_is_refused(change: dict[str, str]) -> None:
    headers = signed_headers([OLD], "evt_1", BODY, time.time())
    with pytest.raises(WebhookVerificationFailed):
        verify_webhook(BODY, headers | change, OLD)


@pytest.mark.parametrize("offset_s", [-10_000, 10_000])
def test_a_webhook_signed_at_a_distant_time_is_refused(offset_s: int) -> None:
    headers = signed_headers([OLD], "evt_1", BODY, time.time() + offset_s)
    with pytest.raises(WebhookVerificationFailed):
        verify_webhook(BODY, headers, OLD)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_webhook_without_one_of_its_headers_is_refused(name: str) -> None:
    headers = signed_headers([OLD], "evt_1", BODY, time.time())
    del headers[name]
    with pytest.raises(WebhookVerificationFailed, match=name):
        verify_webhook(BODY, headers, OLD)


@pytest.mark.parametrize(("body", "secrets"), [(BODY + " ", OLD), (BODY, OTHER), (BODY, [])])
def test_another_body_or_secret_is_refused(body: str, secrets: Any) -> None:
    headers = signed_headers([OLD], "evt_1", BODY, time.time())
    with pytest.raises(WebhookVerificationFailed):
        verify_webhook(body, headers, secrets)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_?", "whsec_c2hvcnQ="])
def test_an_unset_or_unusable_secret_is_an_error_of_the_receiver(secret: str) -> None:
    headers = signed_headers([OLD], "evt_1", BODY, time.time())
    with pytest.raises(ValueError, match="a secret"):
        verify_webhook(BODY, headers, secret)


def test_endpoints_are_managed_and_their_deliveries_verified(service: FrontEnd, hook: Receiver) -> None:
    with EasyAnimate(service.url, api_key=service.key) as client:
        endpoints = client.webhook_endpoints
        endpoint = endpoints.create(url=hook.url, event_types=["video.completed"])
        rotated = endpoints.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
        assert endpoints.test(endpoint.id, event_type="video.completed").status_code == 204
        headers, body = hook.deliveries[-1]
        for secret in (endpoint.signing_secret, rotated.signing_secret):
            assert verify_webhook(body, headers, secret).type == "video.completed"
        assert endpoints.update(endpoint.id, name="mine").name == "mine"
        assert endpoints.retrieve(endpoint.id).name == "mine"
        assert [one.id for one in endpoints.list(limit=1)] == [endpoint.id]
        assert "video.completed" in endpoints.event_types().data
        assert endpoints.delete(endpoint.id).deleted
        with pytest.raises(error_codes.WebhookEndpointNotFound):
            endpoints.retrieve(endpoint.id)


def test_a_webhook_of_a_video_is_verified_and_sent_again(service: FrontEnd, hook: Receiver) -> None:
    with EasyAnimate(service.url, api_key=service.key) as client:
        webhook: Any = {"url": hook.url, "secret": OLD}
        video = client.videos.create_and_wait(prompt="a", size="64x64", num_frames=8, webhook=webhook)
        headers, body = delivery_about(hook, video.id)
        assert verify_webhook(body, headers, OLD).data.status == "completed"
        (delivery,) = client.videos.deliveries(video.id).data
        assert client.videos.redeliver(video.id, delivery.id).id == delivery.id


def delivery_about(hook: Receiver, video_id: str) -> tuple[dict[str, str], str]:
    """The delivery about a video, once it has arrived."""
    deadline = time.monotonic() + 60
    while True:
        matches = [(headers, body) for headers, body in hook.deliveries if video_id in body]
        if matches:
            return matches[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
