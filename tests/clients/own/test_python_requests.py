"""The Python client creates, lists, cancels and deletes, also when answers are lost or refused."""

import asyncio
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from easyanimate_client import ApiError, AsyncEasyAnimate, ConnectionFailed, EasyAnimate, error_codes, errors
from easyanimate_client.options import client_options
from PIL import Image

from tests.clients.own.front_end import PREFIX, FrontEnd
from tests.clients.wire import Exchange, Fault, Wire, lost, replaced

SMALL: Any = {"size": "64x64", "num_frames": 8, "num_inference_steps": 1}


@pytest.fixture
def client(faulty: Wire, service: FrontEnd) -> Iterator[EasyAnimate]:
    with EasyAnimate(faulty.url + PREFIX, api_key=service.key) as client:
        yield client


@pytest.fixture(scope="module")
def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return out.getvalue()


def page(status: int, **headers: str) -> Fault:
    """An answer of something between client and service."""

    def fault(real: Exchange) -> Exchange:
        return Exchange(real.method, real.path, real.sent, real.body, status, headers, b"<html>Bad gateway</html>")

    return fault


def keys(wire: Wire) -> set[str]:
    return {exchange.sent["idempotency-key"] for exchange in wire.exchanges}


def test_a_video_is_created_once_after_lost_answers(client: EasyAnimate, faulty: Wire) -> None:
    before = [video.id for video in client.videos.list()]
    faulty.clear()
    faulty.faults.extend([lost, lost])
    video = client.videos.create(prompt="wait once", **SMALL)
    assert len(faulty.exchanges) == 3
    assert len(keys(faulty)) == 1
    assert faulty.exchanges[-1].headers["idempotency-replayed"] == "true"
    assert [listed.id for listed in client.videos.list()] == [video.id, *before]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_temporary_refusal_is_repeated_with_the_same_key(client: EasyAnimate, faulty: Wire, status: int) -> None:
    faulty.faults.append(replaced(status, retry_after="0"))
    client.videos.create(prompt="wait", **SMALL)
    assert [len(faulty.exchanges), len(keys(faulty))] == [2, 1]


def test_two_creates_have_different_keys(client: EasyAnimate, faulty: Wire) -> None:
    first, second = (client.videos.create(prompt="wait", **SMALL).id for _ in range(2))
    assert first != second
    assert len(keys(faulty)) == 2


def test_a_key_of_the_caller_is_used(client: EasyAnimate) -> None:
    first, second = (client.videos.create(prompt="wait", idempotency_key="order-1", **SMALL).id for _ in range(2))
    assert first == second
    with pytest.raises(error_codes.IdempotencyKeyReused):
        client.videos.create(prompt="wait, another", idempotency_key="order-1", **SMALL)


def test_a_refusal_with_the_advice_not_to_retry_is_final(client: EasyAnimate, faulty: Wire) -> None:
    faulty.faults.append(replaced(503, x_should_retry="false"))
    with pytest.raises(errors.ServiceUnavailable):
        client.videos.retrieve("video_1")
    assert len(faulty.exchanges) == 1


def test_a_limit_is_an_error_with_the_advised_time(service: FrontEnd, faulty: Wire) -> None:
    with EasyAnimate(faulty.url + PREFIX, api_key=service.limited_key(1), max_retries=0) as client:
        client.videos.create(prompt="wait", **SMALL)
        with pytest.raises(error_codes.RateLimited) as refusal:
            client.videos.create(prompt="wait", **SMALL)
    assert 0 < int(refusal.value.headers["retry-after"]) <= 60


def test_the_cancel_whose_answer_is_lost_returns_the_cancelled_video(client: EasyAnimate, faulty: Wire) -> None:
    video = client.videos.create(prompt="wait", **SMALL)
    faulty.faults.append(lost)
    assert client.videos.cancel(video.id).state == "cancelled"
    with pytest.raises(error_codes.NotCancellable):
        client.videos.cancel(video.id)


def test_a_delete_whose_answer_is_lost_succeeds(client: EasyAnimate, faulty: Wire) -> None:
    video = client.videos.create(prompt="wait", **SMALL)
    faulty.faults.append(lost)
    assert client.videos.delete(video.id).deleted
    with pytest.raises(error_codes.VideoNotFound):
        client.videos.delete(video.id)


def test_an_upload_whose_answer_is_lost_is_not_repeated(client: EasyAnimate, faulty: Wire, picture: bytes) -> None:
    faulty.faults.append(lost)
    with pytest.raises(ConnectionFailed) as failure:
        client.files.create(picture)
    assert (len(faulty.exchanges), failure.value.tries) == (1, 1)


def test_an_upload_is_repeated_after_a_refusal(client: EasyAnimate, faulty: Wire, picture: bytes) -> None:
    faulty.faults.append(replaced(503, retry_after="0"))
    assert client.files.create(picture).width == 64
    assert len(faulty.exchanges) == 2


def test_videos_are_listed_page_by_page_while_they_are_deleted(client: EasyAnimate, faulty: Wire) -> None:
    created = [client.videos.create(prompt="wait", **SMALL).id for _ in range(3)]
    faulty.clear()
    listed = []
    for video in client.videos.list(limit=2, status="queued"):
        listed.append(video.id)
        client.videos.delete(video.id)
    assert listed[:3] == created[::-1]
    assert list(client.videos.list(status="queued")) == []


@pytest.mark.parametrize(
    ("fields", "expected", "param"),
    [
        ({"prompt": "a", "size": "70x64"}, error_codes.InvalidSize, "size"),
        ({"prompt": "a", "num_frame": 8}, error_codes.UnknownParameter, "num_frame"),
        ({"prompt": "a", "model": "sora-2"}, error_codes.ModelNotFound, "model"),
        ({"prompt": "a", "image": "file-none"}, error_codes.FileNotFound, "image"),
        ({"prompt": "a", "image": b"no image"}, error_codes.UnsupportedImage, "image"),
    ],
)
def test_a_refusal_is_an_error_of_its_code(
    client: EasyAnimate, fields: Any, expected: type[ApiError], param: str
) -> None:
    with pytest.raises(expected) as refusal:
        client.videos.create(**fields)
    error = refusal.value
    assert (error.code, error.param, error.tries) == (error_codes_of(expected), param, 1)
    assert str(error.request_id).startswith("req_")


def error_codes_of(kind: type[ApiError]) -> str:
    return next(code for code, other in error_codes.CLASSES.items() if other is kind)


def test_a_wrong_key_is_refused(faulty: Wire) -> None:
    with EasyAnimate(faulty.url + PREFIX, api_key="wrong") as client, pytest.raises(errors.AuthenticationFailed):
        client.models.list()


@pytest.mark.parametrize(
    ("answer", "expected", "text"),
    [
        (page(502), errors.ServerError, "Bad gateway"),
        (page(404), errors.NotFound, "Bad gateway"),
        (page(418), errors.ApiError, "Bad gateway"),
        (page(200), errors.UnexpectedAnswer, "no JSON"),
        (page(301, location="https://videos.example/"), errors.UnexpectedAnswer, "https://videos.example/"),
    ],
)
def test_the_page_of_a_proxy_is_an_error_without_a_code(
    service: FrontEnd, faulty: Wire, answer: Fault, expected: type[ApiError], text: str
) -> None:
    faulty.faults.append(answer)
    client = EasyAnimate(faulty.url + PREFIX, api_key=service.key, max_retries=0)
    with client, pytest.raises(expected, match=text) as refusal:
        client.videos.retrieve("video_1")
    assert refusal.value.code is None


@pytest.mark.parametrize(
    "of",
    [
        lambda content, path: content,
        lambda content, path: path,
        lambda content, path: path.open("rb"),
        lambda content, path: BytesIO(content),
    ],
    ids=["bytes", "path", "file", "stream"],
)
def test_an_image_is_sent_again_after_a_lost_answer(
    client: EasyAnimate, faulty: Wire, picture: bytes, tmp_path: Path, of: Callable[[bytes, Path], Any]
) -> None:
    path = tmp_path / "start.png"
    path.write_bytes(picture)
    faulty.faults.append(lost)
    metadata = {"order": "17"}
    image = of(picture, path)
    video = client.videos.create(prompt="wait", image=image, metadata=metadata, smooth=False, **SMALL)
    assert (video.mode, video.metadata, video.smooth) == ("image_to_video", metadata, False)
    assert all(picture in exchange.body for exchange in faulty.exchanges)
    if hasattr(image, "close"):
        image.close()


def test_an_uploaded_file_is_named_in_a_request_and_deleted(client: EasyAnimate, picture: bytes) -> None:
    file = client.files.create(picture, expires_after_s=3600)
    assert client.files.retrieve(file.id) == file
    assert file in list(client.files.list(limit=1))
    video = client.videos.create(prompt="wait", image=file, last_image=file.id, **SMALL)
    assert video.mode == "image_to_video"
    assert b"".join(client.files.content(file)) == picture
    assert client.files.delete(file.id).deleted


def test_a_finished_video_is_remixed_edited_and_extended(client: EasyAnimate) -> None:
    first = client.videos.create_and_wait(prompt="a ball", seed=7, **SMALL)
    remixed = client.videos.remix(first.id, prompt="wait, a blue ball")
    edited = client.videos.edit(prompt="wait, a green ball", video=first, strength=0.6, num_inference_steps=2)
    extended = client.videos.extend(prompt="wait, on", video=first.id, num_frames=8)
    assert (remixed.remixed_from_video_id, remixed.seed) == (first.id, 7)
    assert (edited.source_video_id, edited.mode) == (first.id, "video_to_video")
    assert (extended.source_video_id, extended.num_frames) == (first.id, 16)


def test_a_request_without_values_for_its_fields_leaves_them_out(client: EasyAnimate, faulty: Wire) -> None:
    client.videos.create(prompt="wait", seed=None, **SMALL)  # type: ignore[arg-type]
    assert b"seed" not in faulty.exchanges[0].body


@pytest.mark.parametrize("video_id", ["", "..", "."])
def test_an_id_that_would_lead_to_another_route_is_refused(client: EasyAnimate, video_id: str) -> None:
    with pytest.raises(ValueError, match="is no id"):
        client.videos.delete(video_id)


def test_an_id_is_quoted_in_the_path(client: EasyAnimate, faulty: Wire) -> None:
    with pytest.raises(errors.NotFound):
        client.videos.retrieve("a/../../files?x#y")
    assert faulty.exchanges[0].path == f"{PREFIX}/v1/videos/a%2F..%2F..%2Ffiles%3Fx%23y"


def test_models_and_queues_are_records(client: EasyAnimate) -> None:
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id) == model
    assert model.card.default_scheduler == "euler"
    assert client.models.count_tokens(model.id, "a ball").model == model.id
    assert client.models.queues().data[0].model == model.id


def test_a_waiting_video_is_estimated_and_updated(client: EasyAnimate) -> None:
    estimate = client.videos.estimate(prompt="a ball", **SMALL)
    assert (estimate.num_frames, estimate.size, estimate.n) == (8, "64x64", 1)
    waiting = client.videos.create(prompt="wait", **SMALL)
    assert client.videos.update(waiting.id, priority="high", metadata={"order": "17"}).metadata == {"order": "17"}
    client.videos.delete(waiting.id)


def test_the_usage_of_a_day_is_a_record(client: EasyAnimate) -> None:
    usage = client.videos.usage(first_day="2026-01-01", last_day="2026-01-02", group_by="model")
    assert (usage.from_, usage.to, usage.data) == ("2026-01-01", "2026-01-02", [])


def test_the_asynchronous_client_does_the_same(service: FrontEnd, faulty: Wire, picture: bytes) -> None:
    async def run() -> None:
        async with AsyncEasyAnimate(faulty.url + PREFIX, api_key=service.key) as client:
            faulty.faults.append(lost)
            created = await asyncio.gather(*(client.videos.create(prompt=f"wait {n}", **SMALL) for n in range(3)))
            listed = [video.id async for video in client.videos.list(limit=2, status="queued")]
            assert {video.id for video in created} <= set(listed)
            video = await client.videos.create_and_wait(prompt="a ball", image=picture, **SMALL)
            assert video.status == "completed"
            for one in created:
                await client.videos.delete(one.id)

    asyncio.run(run())


def test_address_and_key_come_from_the_environment(service: FrontEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_URL", service.url + "/")
    monkeypatch.setenv("EASYANIMATE_API_KEY", service.key)
    with EasyAnimate() as client:
        assert client.models.list().data


@pytest.mark.parametrize("value", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "not a url"])
def test_a_service_on_this_machine_is_reached_without_a_proxy(
    service: FrontEnd, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, value)
    with EasyAnimate(service.url, api_key=service.key) as client:
        assert client.models.list()


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("http://127.0.0.1:8000/path", True),
        ("http://[::1]:8000", True),
        ("http://localhost", True),
        ("http://api.localhost.", True),
        ("https://videos.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_addresses_of_this_machine(url: str, is_local: bool) -> None:
    assert client_options(url, None, 1.0, 0).is_local == is_local


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "//v1"])
def test_an_address_may_have_the_path_of_the_api(end: str) -> None:
    assert client_options(f"http://videos.example/below{end}", None, 1.0, 0).url == "http://videos.example/below"


def test_an_http_client_of_the_caller_stays_open(service: FrontEnd) -> None:
    with httpx.Client(timeout=60) as http:
        with EasyAnimate(service.url, api_key=service.key, http_client=http) as client:
            client.models.list()
        assert not http.is_closed
