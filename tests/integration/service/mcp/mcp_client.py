"""Clients of the `mcp` package for tests, and the parts of their results."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Literal

import httpx2
from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, Request, RequestParams, ResourceLink, Result, TextContent

from jobs.access.api_keys import ApiKeyStore
from jobs.model.limits import Limits
from service.mcp.tasks import TASKS
from tests.clients.own.front_end import FrontEnd

HANDSHAKE, NEWEST = "legacy", "2026-07-28"
MODES = (HANDSHAKE, NEWEST)


class TaskParams(RequestParams):
    """The parameters of requests for one task."""

    task_id: str


class TaskRequest(Request[TaskParams, str]):
    """A request for one task."""

    method: str
    params: TaskParams
    name_param = "taskId"


class TaskAnswer(Result):
    """The fields of a task that these tests read."""

    task_id: str = ""
    status: str = ""
    status_message: str = ""
    poll_interval_ms: int = 0
    ttl_ms: int | None = None
    result: dict[str, Any] | None = None


class CreatedTask(TaskAnswer):
    """The answer to a call that became a task."""

    result_type: Literal["task"] = "task"


class Tasks(ClientExtension):
    """Knows tasks: a call returns when its task has ended, with the result of the task."""

    identifier = TASKS

    def __init__(self) -> None:
        self.created: list[CreatedTask] = []

    def claims(self) -> list[ResultClaim[CreatedTask]]:
        """Claims results of the type `task`, which the client then resolves."""
        return [ResultClaim(result_type="task", model=CreatedTask, resolve=self.resolve)]

    async def resolve(self, task: CreatedTask, context: ClaimContext) -> CallToolResult:
        """Polls until the task has ended."""
        self.created.append(task)
        while True:
            answer = await task_request(context.session, "get", task.task_id)
            if answer.status == "completed":
                return CallToolResult.model_validate(answer.result)
            if answer.status == "cancelled":
                return CallToolResult(content=[TextContent(text="cancelled")], is_error=True)


async def task_request(session: Any, name: str, task_id: str) -> TaskAnswer:
    """The answer to `tasks/get`, `tasks/cancel` or `tasks/update`."""
    request = TaskRequest(method=f"tasks/{name}", params=TaskParams(task_id=task_id))
    answer: TaskAnswer = await session.send_request(request, TaskAnswer)
    return answer


@cache
def authorities() -> ssl.SSLContext:
    """The trusted authorities, which take longer to read than a test of one call."""
    return httpx2.create_ssl_context()


@asynccontextmanager
async def connected(
    service: FrontEnd, mode: str = NEWEST, key: str | None = None, tasks: Tasks | None = None
) -> AsyncIterator[Client]:
    """A connected client over streamable HTTP."""
    headers = {"Authorization": f"Bearer {key or service.key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=120, trust_env=False, verify=authorities()) as http:
        transport = streamable_http_client(f"{service.url}/mcp", http_client=http)
        async with Client(transport, mode=mode, extensions=[tasks] if tasks else None) as client:
            yield client


def other_key(service: FrontEnd) -> str:
    """A key of another caller."""
    return ApiKeyStore(service.store.redis).create("other", "another-owner", Limits())[1]


async def created(client: Client, prompt: str, **more: object) -> str:
    """The id of a new video."""
    result = await client.call_tool("create_video", {"prompt": prompt, "num_frames": 8, **more})
    assert not result.is_error, result
    return str(result.structured_content["id"])


async def completed(client: Client, prompt: str = "a red fox") -> str:
    """The id of a completed video."""
    video_id = await created(client, prompt)
    result = await client.call_tool("follow_video", {"video_id": video_id})
    assert not result.is_error, result
    return video_id


def text_of(result: CallToolResult) -> str:
    """The text of a result."""
    [text] = [part.text for part in result.content if isinstance(part, TextContent)]
    return text


def code_of(result: CallToolResult) -> str:
    """The code of a refusal; its text begins with it."""
    assert result.is_error, result
    code = str(result.structured_content["error"]["code"])
    assert text_of(result).startswith(f"{code}: ")
    return code


def links_of(result: CallToolResult) -> dict[str, ResourceLink]:
    """The links of a result by the suffix of their names."""
    return {part.name.rpartition(".")[2]: part for part in result.content if isinstance(part, ResourceLink)}


def images_of(result: CallToolResult) -> list[ImageContent]:
    """The images of a result."""
    return [part for part in result.content if isinstance(part, ImageContent)]
