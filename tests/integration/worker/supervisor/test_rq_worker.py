"""What RQ's own tools show of a worker, and what RQ's commands do to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend
from rq.utils import import_attribute

from jobs.model.job import Job
from jobs.model.states import Phase
from jobs.queue.tickets import TASK, TICKET, queue_name
from jobs.redis.keys import UNREADABLE_KEY
from tests.job_store import JobStore
from worker.supervisor.rq_worker import RQWorker

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]
MODEL = "easyanimate-v3-tiny"


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return Queue(queue_name(MODEL), connection=redis, serializer=JSONSerializer)


@pytest.fixture
def rq_worker(worker: Any) -> RQWorker:
    """The registered entry in RQ of the worker."""
    entry: RQWorker = worker.supervisor.rq_worker
    entry.register()
    return entry


def status(redis: Redis, queue: Queue) -> tuple[str, str | None, int, int]:
    """State and current job of the only worker, number of waiting tickets, number of running tickets."""
    [entry] = Worker.all(connection=redis)
    return entry.get_state(), entry.get_current_job_id(), queue.count, queue.started_job_registry.count


@pytest.mark.usefixtures("rq_worker")
def test_rq_shows_a_waiting_ticket_and_then_a_busy_worker_until_the_job_ends(
    worker: Any, submit: Submit, store: JobStore, redis: Redis, queue: Queue, meanwhile: Meanwhile, gate: Path
) -> None:
    job = submit(f"a red ball until {gate}")
    assert queue.job_ids == [TICKET]
    shown = []

    def show() -> None:
        shown.append(status(redis, queue))
        gate.touch()

    meanwhile(lambda: store.get(job.id).phase is Phase.DENOISING, show)
    worker.run_one()
    assert shown == [("busy", TICKET, 0, 1)]
    assert status(redis, queue) == ("idle", None, 0, 0)


def test_a_heartbeat_renews_the_entries_of_a_busy_worker(
    worker: Any, rq_worker: RQWorker, submit: Submit, redis: Redis
) -> None:
    submit("a red ball")
    ticket = worker.supervisor.next_ticket()
    with rq_worker.busy_with(ticket):
        expiring = [key for key in redis.keys("rq:*") if 0 < redis.ttl(key) < 3600]
        for key in expiring:
            redis.expire(key, 30)
        rq_worker.heartbeat()
        assert len(expiring) == 4
        assert all(redis.ttl(key) > 30 for key in expiring)
    assert redis.exists(ticket.entry.key)


def test_a_suspended_worker_receives_no_ticket(rq_worker: RQWorker, submit: Submit, redis: Redis) -> None:
    submit("a red ball")
    suspend(redis)
    assert (rq_worker.wait_for_ticket([MODEL]), rq_worker.is_suspended) == (None, True)
    resume(redis)
    assert rq_worker.wait_for_ticket([MODEL]) is not None
    assert not rq_worker.is_suspended


def test_an_entry_that_rq_cannot_parse_is_dropped(rq_worker: RQWorker, submit: Submit, redis: Redis) -> None:
    submit("a red ball")
    redis.hset(f"rq:job:{TICKET}", "created_at", "yesterday")
    assert rq_worker.wait_for_ticket([MODEL]) is None
    rq_worker.restore_ticket(MODEL)
    assert rq_worker.wait_for_ticket([MODEL]) is not None


def test_a_list_of_tickets_of_another_type_leaves_the_other_models(worker: Any, submit: Submit, redis: Redis) -> None:
    submit("a red ball")
    redis.set("rq:queue:videos-odd", "of another type")
    rq_worker = RQWorker("w2", redis, ["odd", MODEL])
    assert rq_worker.wait_for_ticket(["odd"]) is None
    ticket = rq_worker.wait_for_ticket(["odd", MODEL])
    assert ticket is not None
    assert ticket.model == MODEL
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [b"queue odd"]


def test_a_ticket_of_a_queue_of_another_type_is_used_up(
    worker: Any, submit: Submit, store: JobStore, redis: Redis
) -> None:
    submit("a red ball")
    key = f"queue:{MODEL}:normal"
    waiting = redis.dump(key)
    redis.set(key, "of another type")
    worker.run_one()
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [f"queue {MODEL}".encode()]
    redis.restore(key, 0, waiting, replace=True)
    store.reconcile_tickets(MODEL)
    worker.run_one()
    assert store.queue_depth(MODEL) == 0


def test_a_new_worker_removes_killed_ones_from_the_lists_of_rq(worker: Any, redis: Redis, queue: Queue) -> None:
    for key in ("rq:workers", f"rq:workers:{queue.name}"):
        redis.sadd(key, "rq:worker:killed")
    worker.supervisor.rq_worker.register()
    expected = [f"rq:worker:{worker.supervisor.name}"]
    assert (Worker.all_keys(connection=redis), Worker.all_keys(queue=queue)) == (expected, expected)
    worker.supervisor.rq_worker.unregister()
    assert Worker.all_keys(connection=redis) == []


def test_the_task_of_a_ticket_can_be_imported_and_refuses_to_run_without_a_supervisor() -> None:
    with pytest.raises(RuntimeError, match="python -m worker"):
        import_attribute(TASK)()
