"""Tickets: RQ delivers one to a worker for each waiting job; the fair queue decides which job the worker leases.

A ticket is an RQ job with the JSON serializer and the only allowed task, the same for every job of a model. It says
that a job waits, not which one (`jobs/queue/fair_queue.py`). The keeper corrects the number of tickets, so one may be
lost. Each model has a queue, so that a worker listens only to models that it can run.
"""

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.job import Job as RQJob
from rq.serializers import JSONSerializer

from jobs.redis import keys

TASK = "worker.tasks.make_video"  # a string: the front end never imports the worker
TICKET = "next-video"
FAILED_ENTRY_TTL_S = 3600

# KEYS: the tickets, the waiting jobs of each priority. ARGV: the ticket, how many to add at most.
_COUNT_TICKETS = """
local tickets, waiting = redis.call('LLEN', KEYS[1]), 0
for i = 2, #KEYS do waiting = waiting + redis.call('ZCARD', KEYS[i]) end
for _ = tickets + 1, math.min(waiting, tickets + ARGV[2]) do redis.call('RPUSH', KEYS[1], ARGV[1]) end
if tickets > waiting then redis.call('LTRIM', KEYS[1], tickets - waiting, -1) end
"""
_MAX_ADDED = 1000


def queue_name(model: str) -> str:
    """The name of the RQ queue of a model."""
    return f"videos-{model}"


def add_ticket(pipe: Pipeline, model: str) -> None:
    """Adds a ticket for the workers of this model to `pipe`."""
    pipe.rpush(tickets_key(model), TICKET)


def reconcile_tickets(redis: Redis, model: str) -> None:
    """Makes the number of tickets equal to the number of waiting jobs."""
    queue = Queue(queue_name(model), connection=redis, serializer=JSONSerializer)
    with redis.pipeline(transaction=True) as pipe:
        pipe.multi()  # otherwise RQ opens the transaction itself
        pipe.sadd(Queue.redis_queues_keys, queue.key)
        new_entry(redis, TICKET, queue).save(pipeline=pipe)
        waiting = keys.waiting_keys(model)
        pipe.eval(_COUNT_TICKETS, 1 + len(waiting), queue.key, *waiting, TICKET, _MAX_ADDED)
        pipe.execute()


def new_entry(redis: Redis, entry_id: str, queue: Queue) -> RQJob:
    """An unsaved RQ job of the only task."""
    return RQJob.create(
        TASK,
        id=entry_id,
        connection=redis,
        serializer=JSONSerializer,
        origin=queue.name,
        timeout=-1,  # the watchdog limits the time: a signal cannot stop a device call
        result_ttl=0,
        failure_ttl=FAILED_ENTRY_TTL_S,
    )


def tickets_key(model: str) -> str:
    """The key of the list of tickets of a model."""
    return f"{Queue.redis_queue_namespace_prefix}{queue_name(model)}"
