"""The outbox: webhook deliveries written in the same transaction as the state they report, until they arrive.

One row per delivery, the same id and body on every try; the ten tries follow the Standard Webhooks schedule over three
days. Rows stay for a week after they ended, as a ledger.
"""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis
from redis.client import Pipeline

from jobs.record import Job

DUE = "outbox:due"  # sorted set: delivery id -> unix second of its next try
MAX_EVENTS = 1000
LEDGER_TTL_S = 7 * 86_400
MAX_LOOKED_AT = 1000  # due deliveries, when most are not welcome
CLAIM_MS = 60_000  # longer than a try may take: while one deliverer tries, no other does
# Seconds from one try to the next: at once, then 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h after the one before.
SCHEDULE_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
_FIRST_EVENT = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('XADD', KEYS[1], ARGV[1], 'event', ARGV[2]) end
"""


class Delivery(BaseModel):
    """One event on its way to one receiver. `secret` is None when the service's own signs it."""

    model_config = ConfigDict(frozen=True)

    id: str
    job_id: str
    type: str
    url: str
    secret: str | None = Field(repr=False)
    body: str
    tries: int = 0
    status: str = "pending"  # then delivered, exhausted or refused
    last_answer: str | None = None


def add_first_event(pipe: Pipeline, key: str, event: dict[str, Any], at: float) -> None:
    """Begin the story of a job with what happened at the unix second `at`; nothing if it has begun."""
    pipe.eval(_FIRST_EVENT, 1, key, f"{int(at * 1000)}-1", json.dumps(event))


def add_event(pipe: Pipeline, key: str, event: dict[str, Any]) -> None:
    """Append to the story of a job."""
    pipe.xadd(key, {"event": json.dumps(event)}, maxlen=MAX_EVENTS, approximate=True)


def add_webhook(pipe: Pipeline, job: Job, event_type: str, now: float) -> None:
    """Put a delivery into the outbox if the request asked for events of this type. `now` in unix seconds."""
    target = job.request.webhook
    if target is None or event_type not in target.events:
        return
    delivery = Delivery(
        id=f"evt_{secrets.token_hex(12)}",
        job_id=job.id,
        type=event_type,
        url=target.url,
        secret=target.secret.get_secret_value() if target.secret else None,
        body="",
    )
    delivery = delivery.model_copy(update={"body": _body(delivery.id, job, event_type, now)})
    pipe.set(_key(delivery.id), delivery.model_dump_json())
    pipe.zadd(DUE, {delivery.id: now})


def claim_due(redis: Redis, now: float, is_welcome: Callable[[Delivery], bool] = lambda _: True) -> Delivery | None:
    """The next delivery whose time has come and that `is_welcome`, ours alone to try for a minute; None without one."""
    for raw in cast(list[bytes], redis.zrangebyscore(DUE, "-inf", now, start=0, num=MAX_LOOKED_AT)):
        delivery = _read(redis, raw.decode())
        if delivery is None or not is_welcome(delivery):
            continue
        if not redis.set(_claim(delivery.id), b"1", nx=True, px=CLAIM_MS):
            continue
        due_at = redis.zscore(DUE, delivery.id)  # somebody may have tried it before our claim
        if due_at is not None and due_at <= now:
            return _read(redis, delivery.id)
        redis.delete(_claim(delivery.id))
    return None


def settle(redis: Redis, delivery: Delivery, status: str, answer: str) -> None:
    """The delivery has ended: delivered, refused by the receiver, or given up."""
    _save(redis, delivery, {"status": status, "last_answer": answer, "tries": delivery.tries + 1}, next_try=None)


def retry(redis: Redis, delivery: Delivery, answer: str, now: float, at_least_s: float = 0.0) -> None:
    """The try failed: plan the next one, or give up after the tenth. `at_least_s` is the receiver's own wish."""
    if delivery.tries >= len(SCHEDULE_S):
        settle(redis, delivery, "exhausted", answer)
        return
    wait_s = max(SCHEDULE_S[delivery.tries], at_least_s)
    _save(redis, delivery, {"last_answer": answer, "tries": delivery.tries + 1}, next_try=now + wait_s)


def _save(redis: Redis, delivery: Delivery, changes: dict[str, Any], next_try: float | None) -> None:
    row = delivery.model_copy(update=changes).model_dump_json()
    with redis.pipeline(transaction=True) as pipe:
        if next_try is None:
            pipe.set(_key(delivery.id), row, ex=LEDGER_TTL_S)
            pipe.zrem(DUE, delivery.id)
        else:
            pipe.set(_key(delivery.id), row)
            pipe.zadd(DUE, {delivery.id: next_try})
        pipe.delete(_claim(delivery.id))
        pipe.execute()


def _read(redis: Redis, delivery_id: str) -> Delivery | None:
    row = cast(bytes | None, redis.get(_key(delivery_id)))
    if row is None:
        redis.zrem(DUE, delivery_id)
        return None
    return Delivery.model_validate_json(row)


def _body(delivery_id: str, job: Job, event_type: str, now: float) -> str:
    """The thin JSON the receiver gets: which video, how it stands; the rest is a GET away."""
    data: dict[str, Any] = {"id": job.id, "status": job.public_status}
    if event_type == "video.progress":
        data |= {"phase": job.phase, "step": job.step, "total_steps": job.total_steps}
    if job.failure:
        data["error"] = {"code": job.failure.code, "message": job.failure.message}
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {"id": delivery_id, "object": "event", "type": event_type, "created_at": int(now), "timestamp": stamp}
    return json.dumps({**event, "data": data}, ensure_ascii=False, separators=(",", ":"))


def _key(delivery_id: str) -> str:
    return f"delivery:{delivery_id}"


def _claim(delivery_id: str) -> str:
    return f"delivery:{delivery_id}:claim"
