"""Videos as tasks of MCP: the extension `io.modelcontextprotocol/tasks` of protocol version 2026-07-28.

The id of a task is that of its video. So a task is as durable as its video, and each front end can answer for it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolResult,
    EmptyResult,
    RequestParams,
    Result,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from jobs.errors import InvalidRequest
from service.http.fields import validate
from service.mcp.api import Record, ToolRefusal, VideoApi
from service.mcp.arguments import OneVideo
from service.mcp.results import ended_result, progress_text

TASKS = "io.modelcontextprotocol/tasks"
POLL_INTERVAL_MS = 1000
Status = Literal["working", "completed", "cancelled"]
ApiOf = Callable[[ServerRequestContext], VideoApi]


class TaskParams(RequestParams):
    """The parameters of a request for one task."""

    task_id: str


class _Task(Result):
    """The fields of a task. Times are ISO 8601; `ttl_ms` is None while the service has no date of deletion."""

    task_id: str
    status: Status
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int = POLL_INTERVAL_MS


class CreatedTask(_Task):
    """The answer to a tool call that became a task."""

    result_type: Literal["task"] = "task"


class CurrentTask(_Task):
    """The answer to `tasks/get`; a task that has ended has the `result` of its tool call."""

    result_type: Literal["complete"] = "complete"
    result: dict[str, Any] | None = None


def has_tasks(context: ServerRequestContext) -> bool:
    """Whether this client understands a task as the result of a tool call."""
    capabilities = context.session.client_capabilities
    declared = (capabilities.extensions if capabilities else None) or {}
    return TASKS in declared and context.protocol_version in MODERN_PROTOCOL_VERSIONS


def created_task(record: Record) -> CreatedTask:
    """The task of a new video."""
    return CreatedTask(**_fields(record))


def add_tasks(server: Server[Any], api_of: ApiOf) -> None:
    """Adds `tasks/get`, `tasks/cancel` and `tasks/update` to a server."""

    async def read(context: ServerRequestContext, params: TaskParams) -> CurrentTask:
        api = api_of(context)
        record = await _record(context, api, "GET", params.task_id)
        is_working = record["status"] not in ("completed", "failed")
        result = None if is_working else _dumped(await ended_result(api, record))
        return CurrentTask(**_fields(record), result=None if record["state"] == "cancelled" else result)

    async def cancel(context: ServerRequestContext, params: TaskParams) -> EmptyResult:
        await _record(context, api_of(context), "POST", params.task_id, "/cancel")
        return EmptyResult()

    async def update(context: ServerRequestContext, params: TaskParams) -> EmptyResult:
        """A video never needs input, so there is nothing to update."""
        await _record(context, api_of(context), "GET", params.task_id)
        return EmptyResult()

    server.extensions[TASKS] = {}
    for name, handler in (("get", read), ("cancel", cancel), ("update", update)):
        server.add_request_handler(f"tasks/{name}", TaskParams, handler)


async def _record(context: ServerRequestContext, api: VideoApi, method: str, task_id: str, path: str = "") -> Record:
    """The record of the video of a task; nothing for a video that ended before it could be cancelled."""
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(METHOD_NOT_FOUND, "Method not found")
    try:
        video_id = validate(OneVideo, {"video_id": task_id}).video_id
        return await api.record(method, f"/v1/videos/{video_id}{path}")
    except InvalidRequest as error:
        raise MCPError(INVALID_PARAMS, "there is no task with this id") from error
    except ToolRefusal as refusal:
        if refusal.code == "not_cancellable":
            return {}
        code = INVALID_PARAMS if refusal.code == "video_not_found" else INTERNAL_ERROR
        raise MCPError(code, f"{refusal.code}: {refusal}") from refusal


def _fields(record: Record) -> dict[str, Any]:
    expires_at = record["expires_at"]
    return {
        "task_id": record["id"],
        "status": _status(record),
        "status_message": progress_text(record),
        "created_at": _iso(record["created_at"]),
        "last_updated_at": _iso(record["completed_at"] or record["started_at"] or record["created_at"]),
        "ttl_ms": None if expires_at is None else (expires_at - record["created_at"]) * 1000,
    }


def _status(record: Record) -> Status:
    """A failed video is a completed task: its result is an error of the tool."""
    if record["state"] == "cancelled":
        return "cancelled"
    return "completed" if record["status"] in ("completed", "failed") else "working"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _dumped(result: CallToolResult) -> dict[str, Any]:
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)
