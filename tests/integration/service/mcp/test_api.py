"""Requests of the tools to the API when the service does not answer."""

import asyncio

import httpx
import pytest

from cli.stack.ports import free_port
from service.mcp.api import ToolRefusal, VideoApi
from tests.clients.own.front_end import FrontEnd


class BrokenOnce(httpx.AsyncBaseTransport):
    """Sends requests to a service; the first answer is lost on the way."""

    def __init__(self) -> None:
        self.inner = httpx.AsyncHTTPTransport()
        self.count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        self.count += 1
        if self.count == 1:
            await response.aclose()
            raise httpx.ReadError("the connection is closed")
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.mcp.api.RETRY_PAUSE_S", 0.01)


def test_a_lost_answer_creates_one_video(service: FrontEnd) -> None:
    transport = BrokenOnce()

    async def run() -> tuple[str, list[str]]:
        async with httpx.AsyncClient(transport=transport, base_url=service.url, timeout=120) as http:
            api = VideoApi(http, {"Authorization": f"Bearer {service.key}"})
            fields = {"prompt": "wait for one", "num_frames": 8}
            record = await api.record("POST", "/v1/videos", fields, **{"Idempotency-Key": "one-call"})
            page = await api.page("/v1/videos", {"limit": 100})
            return record["id"], [video["id"] for video in page["data"] if video["prompt"] == "wait for one"]

    video_id, ids = asyncio.run(run())
    assert ids == [video_id]
    assert transport.count == 3


@pytest.mark.parametrize("has_stopped", [False, True])
def test_a_service_that_does_not_answer_is_a_refusal(has_stopped: bool) -> None:
    async def run() -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}", trust_env=False, timeout=60) as http:
            await VideoApi(http, {}, lambda: has_stopped).page("/v1/videos", {})

    with pytest.raises(ToolRefusal, match="there is no service at") as refusal:
        asyncio.run(run())
    assert refusal.value.code == "service_unreachable"


def answered(transport: httpx.MockTransport) -> ToolRefusal:
    """The refusal of a tool that creates a video."""

    async def run() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://a", follow_redirects=True) as http:
            await VideoApi(http, {}).record("POST", "/v1/videos", {"prompt": "a"})

    with pytest.raises(ToolRefusal) as refusal:
        asyncio.run(run())
    return refusal.value


def test_a_redirect_that_loses_the_request_names_the_new_address() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "http":
            return httpx.Response(301, headers={"location": f"https://a{request.url.path}"})
        return httpx.Response(200, json={"object": "list", "data": []})

    assert str(answered(httpx.MockTransport(answer))) == "http://a redirects to https://a; use that address"


def test_an_error_without_a_text_is_named_by_its_type() -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.TooManyRedirects("")

    assert str(answered(httpx.MockTransport(fail))) == "there is no service at http://a: TooManyRedirects"


def test_an_answer_of_another_server_is_a_refusal(service: FrontEnd) -> None:
    async def run() -> None:
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
            await VideoApi(http, {}).record("GET", "/studio/")

    with pytest.raises(ToolRefusal) as refusal:
        asyncio.run(run())
    assert refusal.value.code in ("service_unreachable", "not_found")
