"""The queue: RQ brings workers a ticket for each waiting job; whose turn it is is decided when one is handed in.

A ticket is an entry of RQ like any other, with the JSON serialiser and the one allow-listed task, but the same for
every job of a model. It says that a job waits, not which one (`jobs/queue/fair_queue.py`), so it may be lost, or be one
too many: the keeper corrects their number. One queue per model, so that a worker listens only to what it can run.
"""

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.job import Job as RQJob
from rq.serializers import JSONSerializer

from jobs.redis import keys

TASK = "worker.tasks.make_video"  # by name: the front end never imports the worker
TICKET = "next-video"
FAILED_ENTRY_TTL_S = 3600

# KEYS: the tickets, the waiting jobs of each priority. ARGV: the ticket, how many to add at most.
_COUNT_TICKETS = """
local tickets, waiting = redis.call('LLEN', KEYS[1]), 0
for i = 2, #KEYS do waiting = waiting + redis.call('ZCARD', KEYS[i]) end
for _ = tickets + 1, math.min(waiting, tickets + ARGV[2]) do redis.call('RPUSH', KEYS[1], ARGV[1]) end
if tickets > waiting then redis.call('LTRIM', KEYS[1], tickets - waiting, -1) end
"""
_AT_MOST = 1000


def queue_name(model: str) -> str:
    """RQ's queue of one model."""
    return f"videos-{model}"


def add_ticket(pipe: Pipeline, model: str) -> None:
    """Add to `pipe`: a worker of this model shall look whose turn it is."""
    pipe.rpush(tickets_key(model), TICKET)


def reconcile_tickets(redis: Redis, model: str) -> None:
    """See to it that there is a ticket for each waiting job, whatever has happened to the ones there were."""
    queue = Queue(queue_name(model), connection=redis, serializer=JSONSerializer)
    with redis.pipeline(transaction=True) as pipe:
        pipe.multi()  # RQ insists on opening the transaction itself unless it is open already
        pipe.sadd(Queue.redis_queues_keys, queue.key)
        new_entry(redis, TICKET, queue).save(pipeline=pipe)
        waiting = keys.waiting_keys(model)
        pipe.eval(_COUNT_TICKETS, 1 + len(waiting), queue.key, *waiting, TICKET, _AT_MOST)
        pipe.execute()


def new_entry(redis: Redis, entry_id: str, queue: Queue, *arguments: str, kind: type[RQJob] = RQJob) -> RQJob:
    """An entry of RQ for the one task, not yet saved. Only a ticket has no arguments."""
    return kind.create(
        TASK,
        args=arguments,
        id=entry_id,
        connection=redis,
        serializer=JSONSerializer,
        origin=queue.name,
        timeout=-1,  # the worker keeps its own time: a signal cannot stop a device call
        result_ttl=0,
        failure_ttl=FAILED_ENTRY_TTL_S,
    )


def tickets_key(model: str) -> str:
    """RQ's list of one model's tickets."""
    return f"{Queue.redis_queue_namespace_prefix}{queue_name(model)}"
