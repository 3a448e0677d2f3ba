"""The tools over streamable HTTP, called by the client of the `mcp` package in both eras of the protocol."""

import asyncio
import base64
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from structlog.testing import LogCapture

from jobs.model.model_card import ModelCard
from service.app import create_app
from service.mcp.tools import TOOLS
from service.settings import ServiceSettings
from tests.clients.own.front_end import FILES, VIDEO, FrontEnd
from tests.integration.service.mcp.mcp_client import (
    HANDSHAKE,
    MODES,
    NEWEST,
    Tasks,
    code_of,
    completed,
    connected,
    created,
    images_of,
    links_of,
    other_key,
    task_request,
    text_of,
)
from tests.job_store import JobStore

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.mark.parametrize("mode", MODES)
def test_a_video_is_created_followed_with_progress_and_linked(service: FrontEnd, mode: str) -> None:
    reported: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert total == 100
        assert message
        reported.append(progress)

    async def run() -> Any:
        async with connected(service, mode) as client:
            video_id = await created(client, "a red fox", seed=5)
            return await client.call_tool("follow_video", {"video_id": video_id}, progress_callback=note)

    result = asyncio.run(run())
    record = result.structured_content
    assert (record["status"], record["seed"], result.is_error) == ("completed", 5, False)
    assert reported == sorted(set(reported))
    assert reported[-1] == 100
    link = links_of(result)["mp4"]
    assert (str(link.uri), link.mime_type) == (record["url"], "video/mp4")
    assert record["url"] in text_of(result)
    assert httpx.get(record["url"], timeout=60).content == VIDEO  # without a key
    [thumbnail] = images_of(result)
    assert (base64.b64decode(thumbnail.data), thumbnail.mime_type) == (FILES["thumbnail.webp"], "image/webp")


@pytest.mark.parametrize("mode", MODES)
def test_all_tools_are_listed_with_complete_schemas(service: FrontEnd, mode: str) -> None:
    async def run() -> Any:
        async with connected(service, mode) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(run())}
    assert tools.keys() == TOOLS.keys()
    for tool in tools.values():
        assert tool.description
        assert tool.input_schema["type"] == "object"
        assert "$ref" not in str(tool.input_schema)
        assert all(field.get("description") or field.get("title") for field in tool.input_schema["properties"].values())


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "param"),
    [
        ("create_video", {}, "invalid_request", "prompt"),
        ("create_video", {"prompt": " "}, "invalid_request", "prompt"),
        ("create_video", {"prompt": "a fox", "promt": "a"}, "unknown_parameter", "promt"),
        ("create_video", {"prompt": "a fox", "previews": {"every_steps": 2}}, "unknown_parameter", "previews"),
        ("create_video", {"shots": [{"prompt": "a", "num_frames": 12}]}, "invalid_shots", "shots[0].num_frames"),
        ("create_video", {"prompt": "a fox", "quality": "best"}, "invalid_request", "quality"),
        ("create_video", {"prompt": "a fox", "size": "100x100"}, "invalid_size", "size"),
        ("create_video", {"prompt": "a fox", "model": "none"}, "model_not_found", "model"),
        ("create_video", {"prompt": "a fox", "image": "file-" + 24 * "0"}, "file_not_found", "image"),
        ("create_video", {"prompt": "a fox", "draft": 3}, "invalid_request", "draft"),
        ("create_video", {"prompt": "a fox", "draft": {"steps": 999}}, "invalid_request", "draft.steps"),
        ("extend_video", {"prompt": "a fox"}, "invalid_request", "video_id"),
        ("promote_video", {}, "invalid_request", "video_id"),
        ("promote_video", {"video_id": "video_none", "prompt": "a"}, "unknown_parameter", "prompt"),
        ("remix_video", {"prompt": "a fox"}, "invalid_request", "video_id"),
        ("remix_video", {"video_id": "../../v1/files", "prompt": "a fox"}, "invalid_request", "video_id"),
        ("remix_video", {"video_id": "video_none", "prompt": "a fox"}, "video_not_found", None),
        ("promote_video", {"video_id": "video_none"}, "video_not_found", None),
        ("extend_video", {"prompt": "a fox", "video_id": "video_none"}, "video_not_found", None),
        ("follow_video", {"video_id": "video_none"}, "video_not_found", None),
        ("follow_video", {"video_id": "video_none", "wait_s": 10_000}, "invalid_request", "wait_s"),
        ("get_video", {"video_id": "../../v1/models"}, "invalid_request", "video_id"),
        ("get_video", {"video_id": "video_none", "variant": "x"}, "unknown_parameter", "variant"),
        ("cancel_video", {"video_id": 5}, "invalid_request", "video_id"),
        ("delete_video", {"video_id": "video_none"}, "video_not_found", None),
        ("list_videos", {"limit": 0}, "invalid_request", "limit"),
        ("list_videos", {"after": "video_none"}, "video_not_found", None),
        ("list_models", {"page": 1}, "unknown_parameter", "page"),
    ],
)
def test_a_refused_call_has_the_code_and_the_sentence_of_the_api(
    tool: str, arguments: Any, code: str, param: str | None, refusals: Any
) -> None:
    result = refusals(tool, arguments)
    assert code_of(result) == code
    error = result.structured_content["error"]
    assert error["message"]
    assert param is None or error["param"] == param


@pytest.fixture(scope="module")
def refusals(service: FrontEnd) -> Any:
    """Calls a tool over HTTP."""

    def call(tool: str, arguments: Any) -> Any:
        async def run() -> Any:
            async with connected(service) as client:
                return await client.call_tool(tool, arguments)

        return asyncio.run(run())

    return call


def test_an_unknown_tool_is_an_error_of_the_protocol(service: FrontEnd) -> None:
    async def run() -> MCPError:
        async with connected(service) as client:
            with pytest.raises(MCPError) as refusal:
                await client.call_tool("create_film", {})
            return refusal.value

    refusal = asyncio.run(run())
    assert refusal.error.code == INVALID_PARAMS
    assert "create_video" in refusal.error.message


def test_a_caller_reaches_its_own_videos_only(service: FrontEnd) -> None:
    key = other_key(service)

    async def run() -> None:
        async with connected(service) as client:
            video_id = await created(client, "wait for it")
        async with connected(service, key=key) as other:
            for tool in ("get_video", "follow_video", "cancel_video", "delete_video"):
                assert code_of(await other.call_tool(tool, {"video_id": video_id})) == "video_not_found"
            extension = await other.call_tool("extend_video", {"video_id": video_id, "prompt": "on"})
            assert code_of(extension) == "video_not_found"
            assert (await other.call_tool("list_videos", {})).structured_content["data"] == []
            with pytest.raises(MCPError):
                await task_request(other.session, "get", video_id)
        assert service.store.get(video_id).state == "queued"

    asyncio.run(run())


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_a_request_without_a_valid_key_is_401(service: FrontEnd, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{service.url}/mcp", json=PING, headers={**ACCEPT, **headers}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def called(service: FrontEnd, tool: str, arguments: str) -> httpx.Response:
    """The answer to a call whose arguments are this JSON text, which a client would not write."""
    call = (
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"' + tool + '","arguments":' + arguments + "}}"
    )
    headers = {**ACCEPT, "Authorization": f"Bearer {service.key}", "Content-Type": "application/json"}
    return httpx.post(f"{service.url}/mcp", content=call, headers=headers, timeout=60)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_video", r'{"prompt": "half a \ud83e pair"}'),
        ("create_video", r'{"prompt": "a fox", "half a \ud83e name": 1}'),
        ("create_video", '{"prompt": "a fox", "guidance_scale": 1e999}'),
        ("get_video", r'{"video_id": "half a \ud83e pair"}'),
        ("list_videos", r'{"after": "half a \ud83e pair"}'),
    ],
)
def test_values_that_are_no_text_and_no_number_are_refused(service: FrontEnd, tool: str, arguments: str) -> None:
    answer = called(service, tool, arguments)
    assert answer.status_code < 500
    assert "internal_error" not in answer.text
    assert "error" in answer.text


def test_other_methods_are_405(service: FrontEnd) -> None:
    answer = httpx.get(f"{service.url}/mcp", headers={"Authorization": f"Bearer {service.key}"}, timeout=60)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_failed_video_is_an_error_of_following_it(service: FrontEnd) -> None:
    async def run() -> Any:
        async with connected(service) as client:
            video_id = await created(client, "fail this")
            followed = await client.call_tool("follow_video", {"video_id": video_id})
            return followed, await client.call_tool("get_video", {"video_id": video_id})

    followed, read = asyncio.run(run())
    assert code_of(followed) == "gpu_out_of_memory"
    assert followed.structured_content["video"]["status"] == "failed"
    assert not read.is_error
    assert "gpu_out_of_memory" in text_of(read)


def test_a_waiting_video_is_cancelled_and_deleted(service: FrontEnd) -> None:
    async def run() -> None:
        async with connected(service) as client:
            arguments = {"video_id": await created(client, "wait for it")}
            waiting = await client.call_tool("follow_video", {**arguments, "wait_s": 0})
            assert "is queued" in text_of(waiting)
            assert "is cancelled" in text_of(await client.call_tool("cancel_video", arguments))
            assert code_of(await client.call_tool("follow_video", arguments)) == "cancelled"
            assert "is deleted" in text_of(await client.call_tool("delete_video", arguments))
            assert code_of(await client.call_tool("get_video", arguments)) == "video_not_found"

    asyncio.run(run())


def test_a_video_is_extended(service: FrontEnd) -> None:
    async def run() -> Any:
        async with connected(service) as client:
            source = await completed(client)
            arguments = {"video_id": source, "prompt": "it jumps", "num_frames": 8}
            return source, await client.call_tool("extend_video", arguments)

    source, result = asyncio.run(run())
    assert not result.is_error, result
    assert result.structured_content["source_video_id"] == source


def test_a_draft_is_created_and_promoted(service: FrontEnd) -> None:
    async def run() -> Any:
        async with connected(service) as client:
            whole = await completed(client)
            draft = await created(client, "a red fox", num_inference_steps=20, draft={"steps": 4})
            done = await client.call_tool("follow_video", {"video_id": draft})
            promoted = await client.call_tool("promote_video", {"video_id": draft})
            return draft, done, promoted, await client.call_tool("promote_video", {"video_id": whole})

    draft, done, promoted, refused = asyncio.run(run())
    assert done.structured_content["state"] == "draft"
    assert "a draft: the estimate after 4 of 20 steps" in text_of(done)
    assert not promoted.is_error, promoted
    assert promoted.structured_content["promoted_from"] == draft
    assert (code_of(refused), "draft" in text_of(refused)) == ("invalid_request", True)


def test_the_settings_of_a_call_are_those_of_the_video(service: FrontEnd) -> None:
    settings = {"quality": "fast", "overlap": 2, "clip_apply_ratio": 0.25, "smooth": False, "clean_caption": False}
    more = {"priority": "low", "metadata": {"shot": "7"}, "share_work": False}

    async def run() -> Any:
        async with connected(service) as client:
            return await client.call_tool("create_video", {"prompt": "wait", "n": 2, "seed": 3, **settings, **more})

    result = asyncio.run(run())
    record = result.structured_content
    expected = {name: value for name, value in (settings | more).items() if name != "share_work"}
    assert {name: record[name] for name in expected} == expected
    assert f"made 2 videos; the others are {record['batch'][1]}." in text_of(result)


def test_a_film_is_created_and_remixed(service: FrontEnd) -> None:
    shots = [{"prompt": "a fox", "num_frames": 8}, {"prompt": "a bird", "num_frames": 16, "overlap": 0}]

    async def run() -> Any:
        async with connected(service) as client:
            film = await client.call_tool("create_video", {"shots": shots, "seed": 3})
            video_id = film.structured_content["id"]
            await client.call_tool("follow_video", {"video_id": video_id})
            changed = {"video_id": video_id, "shots": {"1": {"prompt": "a ball"}}}
            return film, await client.call_tool("remix_video", changed)

    film, remix = (result.structured_content for result in asyncio.run(run()))
    assert [shot["num_frames"] for shot in film["shots"]] == [8, 16]
    assert (remix["remixed_from_video_id"], remix["prompt"]) == (film["id"], "a fox\na ball")


def test_videos_and_models_are_listed(service: FrontEnd) -> None:
    async def run() -> Any:
        async with connected(service, HANDSHAKE) as client:
            ids = [await completed(client, prompt) for prompt in ("one", "two")]
            page = await client.call_tool("list_videos", {"limit": 1})
            behind = await client.call_tool("list_videos", {"limit": 1, "after": ids[1], "status": "completed"})
            return ids, page, behind, await client.call_tool("list_models", {})

    ids, page, behind, models = asyncio.run(run())
    assert ids[1] in text_of(page)
    assert f"after={ids[1]}" in text_of(page)
    assert ids[0] in text_of(behind)
    assert [model["id"] for model in models.structured_content["data"]] == ["easyanimate-v3-tiny"]
    assert re.match(r"easyanimate-v3-tiny: (1 workers|no worker now); modes text_to_video", text_of(models))


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_leaves_does_not_cancel_its_video(service: FrontEnd, mode: str) -> None:
    started = asyncio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        started.set()

    async def run() -> str:
        async with connected(service, mode) as client:
            video_id = await created(client, "wait for it")
            arguments = {"video_id": video_id, "wait_s": 60}
            call = asyncio.create_task(client.call_tool("follow_video", arguments, progress_callback=note))
            await asyncio.wait_for(started.wait(), 240)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            again = await client.call_tool("get_video", {"video_id": video_id})
            assert "is queued" in text_of(again)
        return video_id

    assert service.store.get(asyncio.run(run())).state == "queued"


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """The entries of the log of this process from now on."""
    capture, before = LogCapture(), structlog.get_config()
    filtering = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture], wrapper_class=filtering)
    yield capture.entries
    structlog.configure(**before)


@pytest.mark.parametrize("mode", MODES)
def test_the_log_has_one_request_id_for_a_call_and_no_key(
    service: FrontEnd, caplog: pytest.LogCaptureFixture, logged: list[Any], mode: str
) -> None:
    path = f"/v1/videos/video_{mode}"

    async def run() -> None:
        async with connected(service, mode) as client:
            assert code_of(await client.call_tool("get_video", {"video_id": f"video_{mode}"})) == "video_not_found"

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())
    [inner] = [entry["request_id"] for entry in logged if entry.get("path") == path]
    deadline = time.monotonic() + 120
    while not any(entry["request_id"] == inner for entry in logged if entry.get("path") == "/mcp"):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # the line of a response follows the response
    assert caplog.records
    assert service.key not in caplog.text + str(logged)


def test_a_wait_ends_when_the_process_shuts_down(
    settings: ServiceSettings, announced: ModelCard, start_api: Callable[..., str], store: JobStore
) -> None:
    apps: list[FastAPI] = []
    url = start_api(ServiceSettings.model_validate({**settings.model_dump(exclude_unset=True), "mcp": "on"}), apps)

    async def run() -> str:
        async with connected(FrontEnd(url, "no-key-is-needed", store)) as client:
            arguments = {"video_id": await created(client, "wait for it"), "wait_s": 600}
            is_waiting = asyncio.Event()

            async def note(progress: float, total: float | None, message: str | None) -> None:
                is_waiting.set()

            call = asyncio.create_task(client.call_tool("follow_video", arguments, progress_callback=note))
            await asyncio.wait_for(is_waiting.wait(), 240)
            apps[0].state.resources.stopping.set()
            return text_of(await asyncio.wait_for(call, 240))

    assert "is queued" in asyncio.run(run())


def test_a_client_that_knows_tasks_receives_a_task_and_its_result(service: FrontEnd) -> None:
    tasks = Tasks()

    async def run() -> Any:
        async with connected(service, "auto", tasks=tasks) as client:
            assert client.protocol_version == NEWEST
            assert "io.modelcontextprotocol/tasks" in (client.server_capabilities.extensions or {})
            done = await client.call_tool("create_video", {"prompt": "a red fox", "num_frames": 8})
            failed = await client.call_tool("create_video", {"prompt": "fail this", "num_frames": 8})
            refused = await client.call_tool("create_video", {"prompt": " "})
            return done, failed, refused

    done, failed, refused = asyncio.run(run())
    assert done.structured_content["id"] == tasks.created[0].task_id
    assert done.structured_content["status"] == "completed"
    assert links_of(done)["mp4"]
    assert images_of(done)
    assert tasks.created[0].poll_interval_ms > 0
    assert code_of(failed) == "gpu_out_of_memory"
    assert code_of(refused) == "invalid_request"  # without a task
    assert len(tasks.created) == 2


def test_a_task_is_cancelled(service: FrontEnd) -> None:
    tasks = Tasks()

    async def run() -> Any:
        async with connected(service, NEWEST, tasks=tasks) as client:
            call = asyncio.create_task(client.call_tool("create_video", {"prompt": "wait for it", "num_frames": 8}))
            while not tasks.created:
                await asyncio.sleep(0.01)
            task_id = tasks.created[0].task_id
            await task_request(client.session, "update", task_id)
            await task_request(client.session, "cancel", task_id)
            result = await call
            await task_request(client.session, "cancel", task_id)  # the second one changes nothing
            return task_id, result

    task_id, result = asyncio.run(run())
    assert text_of(result) == "cancelled"
    assert service.store.get(task_id).state == "cancelled"


def test_a_client_of_the_handshake_era_has_no_tasks(service: FrontEnd) -> None:
    async def run() -> None:
        async with connected(service, HANDSHAKE) as client:
            video_id = await created(client, "a red fox")
            with pytest.raises(MCPError):
                await task_request(client.session, "get", video_id)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("mcp", "headers", "status"),
    [
        ("off", {}, 404),
        ("on", {"Origin": "https://evil.example"}, 403),
        ("on", {"Host": "evil.example"}, 403),
        ("on", {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_mcp_is_off_by_default_and_refuses_foreign_pages(
    settings: ServiceSettings, mcp: str, headers: dict[str, str], status: int
) -> None:
    values = {} if mcp == "off" else {"mcp": mcp}
    app = create_app(ServiceSettings.model_validate({**settings.model_dump(exclude_unset=True), **values}))

    async def run() -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            status = (await client.post("/mcp", json=PING, headers={**ACCEPT, **headers})).status_code
        await app.state.resources.close()
        return status

    assert asyncio.run(run()) == status
