"""The progress of one video of the service, as a bar."""

from collections.abc import Mapping
from typing import Any

from cli.bar import open_bar
from cli.client.client import Client, Record
from cli.client.errors import ClientError


class VideoFailed(ClientError):
    """The video ended without a result."""


def follow_with_bar(client: Client, video_id: str, label: str) -> Record:
    """Shows a bar in percent, and returns the record of the completed video. Raises VideoFailed, ClientError."""
    with open_bar(label, 100) as bar:
        record = client.follow(video_id, lambda record: bar.update(record["progress"], *phase_of(record)))
    if record["status"] != "completed":
        error = record.get("error") or {}
        raise VideoFailed(f"{video_id} {record['state']}: {error.get('message', 'without a reason')}")
    return record


def phase_table(record: Record) -> str:
    """The seconds of each phase, on one line."""
    seconds: Mapping[str, float] = record.get("phase_seconds") or {}
    return ", ".join(f"{phase} {time_s:.2f} s" for phase, time_s in seconds.items())


def phase_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """The phase of a video, and a detail of it: its place in the queue, or its step."""
    if record["state"] == "queued":
        place = record.get("queue") or {}
        if reason := place.get("reason"):
            return "queued", f"({reason})"
        return "queued", "" if place.get("position") is None else f"{place['position']} before it"
    if record["status"] in ("completed", "failed"):
        return str(record["state"]), ""
    total = record.get("total_steps")
    return str(record.get("phase") or record["state"]), f"{record.get('step', 0)}/{total}" if total else ""
