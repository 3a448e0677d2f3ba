"""A progress bar for one video of the service."""

from typing import Any

import typer

from cli.client import Client, ClientError, Record


def follow_with_bar(client: Client, video_id: str, label: str) -> Record:
    """Shows a bar in percent, and returns the record of the completed video. Raises ClientError if the video fails."""
    with typer.progressbar(length=100, label=label, item_show_func=_phase, show_eta=False) as bar:

        def show(record: Record) -> None:
            bar.current_item = record
            bar.make_step(max(0, record["progress"] - bar.pos))
            bar.render_progress()

        record = client.follow(video_id, show)
    if record["status"] != "completed":
        raise ClientError(f"{video_id} {record['state']}: {record['error']['message']}")
    return record


def phase_table(record: Record) -> str:
    """The seconds of each phase, on one line."""
    seconds: dict[str, float] = record["phase_seconds"] or {}
    return ", ".join(f"{phase} {time_s:.2f} s" for phase, time_s in seconds.items())


def _phase(record: Any) -> str | None:
    if record is None:
        return None
    if record["state"] == "queued":
        position = (record["queue"] or {}).get("position")
        return "queued" if position is None else f"queued, {position} before it"
    if record["status"] in ("completed", "failed"):
        return str(record["state"])
    count = f" {record['step']}/{record['total_steps']}" if record["total_steps"] else ""
    return f"{record['phase'] or record['state']}{count}"
