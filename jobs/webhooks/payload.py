"""The payload of a webhook: id and status of the video, always below 8 kB. A GET returns the rest."""

import json
from datetime import UTC, datetime
from typing import Any

from jobs.model.job import Job


def webhook_body(event_id: str, event_type: str, now: float, data: dict[str, Any]) -> str:
    """Serialises one event. `now` in unix seconds."""
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {"id": event_id, "object": "event", "type": event_type, "created_at": int(now), "timestamp": stamp}
    return json.dumps({**event, "data": data}, ensure_ascii=False, separators=(",", ":"))


def event_data(job: Job, event_type: str) -> dict[str, Any]:
    """Returns the data of the job in an event of this type."""
    data: dict[str, Any] = {"id": job.id, "status": job.public_status}
    if event_type == "video.progress":
        data |= {"phase": job.phase, "step": job.step, "total_steps": job.total_steps}
    if job.failure:
        data["error"] = {"code": job.failure.code, "message": job.failure.message}
    return data
