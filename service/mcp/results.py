"""Results of tools: a text for the model, the record as data, links to the files, and the thumbnail."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from mcp.types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from service.mcp.api import Record, ToolRefusal, VideoApi

MAX_THUMBNAIL_BYTES = 1 << 20
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"


async def video_result(api: VideoApi, record: Record) -> CallToolResult:
    """The result for one video: a text, its links, its thumbnail, and the record."""
    content: list[ContentBlock] = [TextContent(text=video_text(record)), *_links(record)]
    if record["url"] and (thumbnail := await _thumbnail(api, record["id"])):
        content.append(thumbnail)
    return CallToolResult(content=content, structured_content=record)


async def ended_result(api: VideoApi, record: Record) -> CallToolResult:
    """The result of following a video: an error with its code if there is no video."""
    if error := record["error"]:
        refusal = ToolRefusal(error["code"], error["message"])
        return refusal_result(refusal, {"video": record})
    return await video_result(api, record)


def refusal_result(refusal: ToolRefusal, more: Mapping[str, Any] | None = None) -> CallToolResult:
    """The result of a call that is refused: code, sentence, parameter and advice."""
    advice = f" Retry in {refusal.retry_after_s} s." if refusal.retry_after_s is not None else ""
    error = {
        "code": refusal.code,
        "message": str(refusal),
        "param": refusal.param,
        "retry_after_s": refusal.retry_after_s,
    }
    text = f"{refusal.code}: {_printable(str(refusal))}{advice}"
    return CallToolResult(
        content=[TextContent(text=text)], structured_content={"error": error, **(more or {})}, is_error=True
    )


def list_result(lines: Iterable[str], page: Record) -> CallToolResult:
    """The result for a page of a list, one line per entry."""
    text = "\n".join(lines) or "There are none."
    if page["has_more"]:
        text += f"\nThere are more: call this tool with after={page['last_id']}."
    return CallToolResult(content=[TextContent(text=text)], structured_content=page)


def text_result(text: str, data: Record) -> CallToolResult:
    """A result with a text and its data."""
    return CallToolResult(content=[TextContent(text=text)], structured_content=data)


def video_text(record: Record) -> str:
    """The state of a video and what to do next, in sentences."""
    if record["error"]:
        error = record["error"]
        again = " A new request may succeed." if error["retryable"] else ""
        return f"{record['id']} has no video ({record['state']}): {error['code']}: {error['message']}{again}"
    if record["status"] == "completed":
        return " ".join([_completed_text(record), _link_text(record), *_notes(record)])
    return " ".join(
        [f"{record['id']} is {progress_text(record)}.", "Call follow_video to wait for it.", *_notes(record)]
    )


def progress_text(record: Record) -> str:
    """The progress of a video, as in `in_progress: denoising, step 3 of 20, about 12 s left`."""
    parts = []
    if place := record["queue"]:
        parts.append(f"{place['position']} videos before it")
        parts += ["no worker serves its model now"] if place["reason"] else []
    if record["phase"]:
        parts.append(record["phase"])
    if record["phase"] and record["total_steps"]:
        parts.append(f"step {record['step']} of {record['total_steps']}")
    if record["eta_s"] is not None:
        parts.append(f"about {record['eta_s']:.0f} s left")
    return f"{record['status']}: {', '.join(parts)}" if parts else str(record["status"])


def line_text(record: Record) -> str:
    """A video in one line of a list."""
    error = f", {record['error']['code']}" if record["error"] else ""
    prompt = _printable(record["prompt"][:80])
    return f"{record['id']}: {record['status']}{error}, {_shape(record)}, model {record['model']}: {prompt}"


def model_text(model: Record) -> str:
    """A model in one line of a list."""
    workers = f"{model['live_workers']} workers" if model["live_workers"] else "no worker now"
    return f"{model['id']}: {workers}; modes {', '.join(model['modes'])}"


def _completed_text(record: Record) -> str:
    if draft := record["draft"]:
        content = f"the estimate after {draft['steps']} of {record['num_inference_steps']} steps"
        return f"{record['id']} is a draft: {content}, {_shape(record)}. Call promote_video to finish it."
    return f"{record['id']} is completed: {_shape(record)}."


def _shape(record: Record) -> str:
    return f"{record['size']}, {record['num_frames']} frames, {record['seconds']} s, seed {record['seed']}"


def _link_text(record: Record) -> str:
    return f"Download, valid for an hour at most: {record['url']}" if record["url"] else "Its files have expired."


def _notes(record: Record) -> list[str]:
    """The other videos of the request, and its warnings."""
    others = [video_id for video_id in record["batch"] or () if video_id != record["id"]]
    batch = [f"The request made {len(others) + 1} videos; the others are {', '.join(others)}."] if others else []
    return [*batch, *(f"Note: {warning}." for warning in record["warnings"])]


def _links(record: Record) -> list[ContentBlock]:
    """Links to the file and to the playlist, which need no key."""
    suffix, mime_type = (".png", "image/png") if record["num_frames"] == 1 else (".mp4", "video/mp4")
    shown: list[ContentBlock] = []
    if record["url"]:
        shown.append(ResourceLink(uri=record["url"], name=f"{record['id']}{suffix}", mime_type=mime_type))
    if record["playlist_url"]:
        shown.append(ResourceLink(uri=record["playlist_url"], name=f"{record['id']}.m3u8", mime_type=PLAYLIST_TYPE))
    return shown


async def _thumbnail(api: VideoApi, video_id: str) -> ImageContent | None:
    """The middle frame as WebP; None if it cannot be read: the result is useful without it."""
    try:
        response = await api.send("GET", f"/v1/videos/{video_id}/content", query={"variant": "thumbnail"})
    except ToolRefusal:
        return None
    if len(response.content) > MAX_THUMBNAIL_BYTES:
        return None
    mime_type = response.headers.get("Content-Type", "image/webp")
    return ImageContent(data=base64.b64encode(response.content).decode(), mime_type=mime_type)


def _printable(text: str) -> str:
    """Text that is valid UTF-8: a refusal may quote half a surrogate pair of the caller."""
    return text.encode("utf-8", "replace").decode()
