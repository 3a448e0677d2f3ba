"""The outbox: webhook deliveries, written in the same transaction as the change of state that they report.

There is one row per receiver: the one of the request, and each endpoint of the caller that subscribes to the event. The
rows are created inside Redis (`jobs/webhooks/scripts.py`), which reads the endpoints at the moment of the change,
without a round trip.
"""

import json
import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from redis.client import Pipeline

from jobs.model.job import Job
from jobs.redis.keys import OUTBOX_KEYS, ledger_key, subscribers_key
from jobs.webhooks.scripts import FAN_OUT


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
    if event_type == "video.completed":
        data["state"] = job.public_state
    if job.failure:
        data["error"] = {"code": job.failure.code, "message": job.failure.message}
    return data


LEDGER_TTL_S = 7 * 86_400  # of an ended delivery
JOB_LEDGER_TTL_S = 14 * 86_400  # of a job's list: three days of tries, the week above, and a margin
PROGRESS = "video.progress"
PROGRESS_TTL_S = 60  # progress is obsolete after that


def add_webhook(pipe: Pipeline, job: Job, event_type: str, now: float) -> None:
    """Adds to `pipe` a delivery for each receiver of this event. `now` in unix seconds."""
    name = secrets.token_hex(12)
    event_id = f"evt_{name}"
    body = webhook_body(event_id, event_type, now, event_data(job, event_type))
    shared = ["event_id", event_id, "job_id", job.id, "type", event_type, "body", body]
    if job.traceparent:
        shared += ["traceparent", job.traceparent]
    lifetimes = (PROGRESS_TTL_S, "") if event_type == PROGRESS else ("", JOB_LEDGER_TTL_S)
    keys = (*OUTBOX_KEYS, subscribers_key(job.owner, event_type), ledger_key(job.id))
    row = (f"dlv_{name}", job.owner, f"{now:.6f}", *lifetimes, *_request_receiver(job, event_type))
    pipe.eval(FAN_OUT, len(keys), *keys, *row, *shared)


def _request_receiver(job: Job, event_type: str) -> tuple[str, str, str]:
    """Returns lane, url and secret of the request's own receiver, if it subscribes to this event."""
    target = job.request.webhook
    if target is None or event_type not in target.events:
        return "", "", ""
    host = urlsplit(target.url).netloc.rpartition("@")[2].lower()
    return host, target.url, target.secret.get_secret_value() if target.secret else ""
