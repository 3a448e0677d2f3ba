"""What a receiver of a webhook gets to read: which video, how it stands; the rest is a GET away. Below 8 kB, always."""

import json
from datetime import UTC, datetime
from typing import Any

from jobs.model.job import Job


def webhook_body(event_id: str, event_type: str, now: float, data: dict[str, Any]) -> str:
    """The thin JSON of one event. `now` in unix seconds."""
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {"id": event_id, "object": "event", "type": event_type, "created_at": int(now), "timestamp": stamp}
    return json.dumps({**event, "data": data}, ensure_ascii=False, separators=(",", ":"))


def event_data(job: Job, event_type: str) -> dict[str, Any]:
    """What an event of this type says of the job."""
    data: dict[str, Any] = {"id": job.id, "status": job.public_status}
    if event_type == "video.progress":
        data |= {"phase": job.phase, "step": job.step, "total_steps": job.total_steps}
    if job.failure:
        data["error"] = {"code": job.failure.code, "message": job.failure.message}
    return data
