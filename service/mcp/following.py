"""Waiting for the end of a video by long polls, with progress notifications."""

import asyncio
import time
from math import ceil

from mcp.server import ServerRequestContext

from service.mcp.api import Record, ToolRefusal, VideoApi
from service.mcp.results import progress_text

POLL_S = 20  # of one request
MIN_PAUSE_S = 0.2  # between two requests that do not wait


class ProgressReport:
    """Sends progress notifications, if the caller wants them. The percentage of each is above the one before."""

    def __init__(self, context: ServerRequestContext) -> None:
        self.session = context.session
        self.last = -1

    async def send(self, record: Record) -> None:
        """Sends the progress of a video, in percent."""
        if record["progress"] > self.last:
            self.last = record["progress"]
            await self.session.report_progress(self.last, 100, progress_text(record))


async def follow(api: VideoApi, video_id: str, wait_s: float, report: ProgressReport) -> Record:
    """The record when the video has ended, or after `wait_s`. Raises ToolRefusal."""
    deadline, etag, record = time.monotonic() + wait_s, "", {}
    while True:
        started, left_s = time.monotonic(), deadline - time.monotonic()
        headers = {"If-None-Match": etag} if etag else {}
        if etag and left_s > 0:
            headers["Prefer"] = f"wait={ceil(min(POLL_S, left_s))}"
        response = await api.send("GET", f"/v1/videos/{video_id}", headers=headers)
        if response.status_code != 304:
            record, etag = response.json(), response.headers.get("ETag", "")
            await report.send(record)
        if not record:
            raise ToolRefusal("internal_error", "the service sent no record")
        if record["status"] in ("completed", "failed") or left_s <= 0 or api.has_stopped():
            return record
        await asyncio.sleep(max(0.0, MIN_PAUSE_S - (time.monotonic() - started)))
