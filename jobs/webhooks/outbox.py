"""The outbox: webhook deliveries written in the same transaction as the state they report, until they arrive.

One row for each receiver: the one that the request named, and every standing endpoint of the caller that wants the
event. Rows are made inside Redis (`jobs/webhooks/scripts.py`), so which endpoints there are is known at the very moment
of the change, at no round trip.
"""

import secrets
from urllib.parse import urlsplit

from redis.client import Pipeline

from jobs.model.job import Job
from jobs.redis.keys import ledger_key, subscribers_key
from jobs.webhooks.payload import event_data, webhook_body
from jobs.webhooks.scripts import FAN_OUT

LEDGER_TTL_S = 7 * 86_400  # what a delivery that has ended stays
JOB_LEDGER_TTL_S = 14 * 86_400  # the list of a job's: three days of tries and what they stay, and some more
PROGRESS = "video.progress"
PROGRESS_TTL_S = 60  # nobody wants to hear of it later


def add_webhook(pipe: Pipeline, job: Job, event_type: str, now: float) -> None:
    """Put a delivery to everybody who wants to hear of it into the outbox. `now` in unix seconds."""
    name = secrets.token_hex(12)
    event_id = f"evt_{name}"
    body = webhook_body(event_id, event_type, now, event_data(job, event_type))
    shared = ["event_id", event_id, "job_id", job.id, "type", event_type, "body", body]
    if job.traceparent:
        shared += ["traceparent", job.traceparent]
    lifetimes = (PROGRESS_TTL_S, "") if event_type == PROGRESS else ("", JOB_LEDGER_TTL_S)
    keys = (subscribers_key(job.owner, event_type), ledger_key(job.id))
    pipe.eval(
        FAN_OUT, len(keys), *keys, f"dlv_{name}", job.owner, f"{now:.6f}", *lifetimes, *_own(job, event_type), *shared
    )


def _own(job: Job, event_type: str) -> tuple[str, str, str]:
    """Lane, url and secret of the receiver that the request named, if it wants this event."""
    target = job.request.webhook
    if target is None or event_type not in target.events:
        return "", "", ""
    host = urlsplit(target.url).netloc.rpartition("@")[2].lower()
    return host, target.url, target.secret.get_secret_value() if target.secret else ""
