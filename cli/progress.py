"""A bar that follows a video from the queue to its end."""

from typing import Any

import typer

from cli.client import Client, ClientError, Record


def follow_with_bar(client: Client, video_id: str, label: str) -> Record:
    """The record of the completed video, after a bar of 100. Raises ClientError with the reason if there is none."""
    with typer.progressbar(length=100, label=label, item_show_func=_phase, show_eta=False) as bar:

        def see(record: Record) -> None:
            bar.current_item = record
            bar.make_step(max(0, record["progress"] - bar.pos))
            bar.render_progress()

        record = client.follow(video_id, see)
    if record["status"] != "completed":
        raise ClientError(f"{video_id} {record['state']}: {record['error']['message']}")
    return record


def phase_table(record: Record) -> str:
    """How long each phase took, on one line."""
    seconds: dict[str, float] = record["phase_seconds"] or {}
    return ", ".join(f"{phase} {time_s:.2f} s" for phase, time_s in seconds.items())


def _phase(record: Any) -> str | None:
    if record is None:
        return None
    if record["state"] == "queued":
        place = (record["queue"] or {}).get("position")
        return "queued" if place is None else f"queued, {place} before it"
    if record["status"] in ("completed", "failed"):
        return str(record["state"])
    count = f" {record['step']}/{record['total_steps']}" if record["total_steps"] else ""
    return f"{record['phase'] or record['state']}{count}"
