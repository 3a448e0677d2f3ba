"""A worker leaves the tickets of a paused queue where they are, and takes them after the pause."""

from collections.abc import Callable

from redis import Redis

from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.queue.registry import Registry
from jobs.queue.tickets import tickets_key
from tests.integration.worker.conftest import SteppedWorker
from worker.drain import Drain

MODEL = "easyanimate-v3-tiny"
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]


def test_a_worker_leaves_the_ticket_of_a_paused_queue(
    worker: SteppedWorker, submit: Callable[..., Job], redis: Redis, card: ModelCard, meanwhile: Meanwhile
) -> None:
    registry = Registry(redis)
    registry.announce(card, worker.supervisor.name)
    registry.pauses.pause(MODEL)
    submit("a job that waits")

    def reads() -> int:
        return int(redis.info("commandstats").get("cmdstat_exists", {}).get("calls", 0))

    before = reads()
    meanwhile(lambda: reads() >= before + 2, worker.context.drain.begin)  # in two turns
    assert worker.supervisor.next_ticket() is None
    assert redis.llen(tickets_key(MODEL)) == 1
    registry.pauses.resume(MODEL)
    worker.use(drain=Drain(1.0))
    ticket = worker.supervisor.next_ticket()
    assert ticket is not None
    assert ticket.model == MODEL
