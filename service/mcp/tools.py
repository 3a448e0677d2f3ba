"""The tools: each sends requests to the REST API and turns the record into a result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from mcp.server import ServerRequestContext
from mcp.types import CallToolResult, Result, Tool, ToolAnnotations

from service.http.fields import refuse_unknown, validate
from service.mcp.api import Record, VideoApi
from service.mcp.arguments import (
    FollowedVideo,
    ListedVideos,
    NoArguments,
    OneVideo,
    create_schema,
    extend_schema,
    promote_schema,
    remix_schema,
)
from service.mcp.following import ProgressReport, follow
from service.mcp.results import ended_result, line_text, list_result, model_text, text_result, video_result
from service.mcp.tasks import created_task, has_tasks

Arguments = Mapping[str, Any]
Run = Callable[[VideoApi, Arguments, ServerRequestContext], Awaitable[Result]]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
CREATES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
ENDS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


@dataclass(frozen=True)
class VideoTool:
    """A tool with its description for clients, and the function that runs it."""

    definition: Tool
    run: Run


async def _create_video(api: VideoApi, arguments: Arguments, context: ServerRequestContext) -> Result:
    """Creates a video of a prompt, or a film of shots. It takes a minute or more: follow_video waits for it."""
    refuse_unknown(arguments, CREATE_SCHEMA["properties"])
    return await _created(api, context, "/v1/videos", arguments)


async def _extend_video(api: VideoApi, arguments: Arguments, context: ServerRequestContext) -> Result:
    """Continues a completed video. The new one has its frames, followed by num_frames or seconds more."""
    video_id, fields = _split(arguments, EXTEND_SCHEMA)
    return await _created(api, context, "/v1/videos/extensions", {**fields, "video": {"id": video_id}})


async def _remix_video(api: VideoApi, arguments: Arguments, context: ServerRequestContext) -> Result:
    """Generates a completed video again with another prompt, or a film with other shots. The rest stays as it was."""
    video_id, fields = _split(arguments, REMIX_SCHEMA)
    return await _created(api, context, f"/v1/videos/{video_id}/remix", fields)


async def _promote_video(api: VideoApi, arguments: Arguments, context: ServerRequestContext) -> Result:
    """Finishes a completed draft. The new video is the one that the same settings give without a draft."""
    video_id, fields = _split(arguments, PROMOTE_SCHEMA)
    return await _created(api, context, f"/v1/videos/{video_id}/promote", fields)


async def _follow_video(api: VideoApi, arguments: Arguments, context: ServerRequestContext) -> CallToolResult:
    """Waits until a video has ended, or for wait_s seconds; call it again while the video is not completed."""
    followed = validate(FollowedVideo, arguments)
    record = await follow(api, followed.video_id, followed.wait_s, ProgressReport(context))
    return await ended_result(api, record)


async def _get_video(api: VideoApi, arguments: Arguments, _: ServerRequestContext) -> CallToolResult:
    """Returns a video: its state, its settings and, once it is completed, links to its files."""
    video_id = validate(OneVideo, arguments).video_id
    return await video_result(api, await api.record("GET", f"/v1/videos/{video_id}"))


async def _list_videos(api: VideoApi, arguments: Arguments, _: ServerRequestContext) -> CallToolResult:
    """Lists your videos, newest first."""
    query = validate(ListedVideos, arguments).model_dump(mode="json")
    page = await api.page("/v1/videos", query)
    return list_result(map(line_text, page["data"]), page)


async def _cancel_video(api: VideoApi, arguments: Arguments, _: ServerRequestContext) -> CallToolResult:
    """Cancels a video that has not ended. Its record stays."""
    video_id = validate(OneVideo, arguments).video_id
    record = await api.record("POST", f"/v1/videos/{video_id}/cancel")
    return text_result(_cancelled_text(record), record)


async def _delete_video(api: VideoApi, arguments: Arguments, _: ServerRequestContext) -> CallToolResult:
    """Deletes a video with its files, for good; cancels it first if it has not ended."""
    video_id = validate(OneVideo, arguments).video_id
    return text_result(f"{video_id} is deleted.", await api.record("DELETE", f"/v1/videos/{video_id}"))


async def _list_models(api: VideoApi, arguments: Arguments, _: ServerRequestContext) -> CallToolResult:
    """Lists the models with their sizes, numbers of frames and defaults, which the data of the result has."""
    validate(NoArguments, arguments)
    page = await api.page("/v1/models", {})
    return list_result(map(model_text, page["data"]), page)


def _split(arguments: Arguments, schema: Mapping[str, Any]) -> tuple[str, Arguments]:
    """The id of the video that a call is about, and the fields of its request. Raises InvalidRequest."""
    refuse_unknown(arguments, schema["properties"])
    source = {name: value for name, value in arguments.items() if name == "video_id"}
    fields = {name: value for name, value in arguments.items() if name != "video_id"}
    return validate(OneVideo, source).video_id, fields


async def _created(api: VideoApi, context: ServerRequestContext, path: str, fields: Arguments) -> Result:
    """A task for clients that know tasks, otherwise the record of the new video."""
    record = await api.record("POST", path, fields, **{"Idempotency-Key": uuid4().hex})
    return created_task(record) if has_tasks(context) else await video_result(api, record)


def _cancelled_text(record: Record) -> str:
    if record["state"] == "cancelled":
        return f"{record['id']} is cancelled."
    return f"{record['id']} will be cancelled at its next step."


def _tool(run: Run, title: str, schema: dict[str, Any], annotations: ToolAnnotations) -> VideoTool:
    name = run.__name__.removeprefix("_")
    definition = Tool(name=name, title=title, description=run.__doc__, input_schema=schema, annotations=annotations)
    return VideoTool(definition, run)


CREATE_SCHEMA, EXTEND_SCHEMA = create_schema(), extend_schema()
REMIX_SCHEMA, PROMOTE_SCHEMA = remix_schema(), promote_schema()
ONE_VIDEO = OneVideo.model_json_schema()
TOOLS = {
    tool.definition.name: tool
    for tool in (
        _tool(_create_video, "Create a video", CREATE_SCHEMA, CREATES),
        _tool(_extend_video, "Extend a video", EXTEND_SCHEMA, CREATES),
        _tool(_remix_video, "Remix a video", REMIX_SCHEMA, CREATES),
        _tool(_promote_video, "Finish a draft", PROMOTE_SCHEMA, CREATES),
        _tool(_follow_video, "Wait for a video", FollowedVideo.model_json_schema(), READS),
        _tool(_get_video, "Read a video", ONE_VIDEO, READS),
        _tool(_list_videos, "List videos", ListedVideos.model_json_schema(), READS),
        _tool(_cancel_video, "Cancel a video", ONE_VIDEO, ENDS),
        _tool(_delete_video, "Delete a video", ONE_VIDEO, ENDS),
        _tool(_list_models, "List models", NoArguments.model_json_schema(), READS),
    )
}
