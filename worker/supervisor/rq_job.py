"""What RQ may carry: tickets for the one task. Whatever else an entry says, nothing is imported or called."""

from collections.abc import Callable
from typing import Any

from redis import Redis
from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job as RQJob

from jobs.queue import tickets
from worker.tasks import make_video


class TicketJob(RQJob):
    """An RQ job that can do one thing."""

    success_callback = failure_callback = stopped_callback = None

    @property
    def is_ticket(self) -> bool:
        """Whether this asks for the one task and for nothing besides; anything else is to be refused."""
        try:
            asked = self.func_name, self.instance, list(self.args), dict(self.kwargs)
        except DeserializationError:
            return False
        return asked == (tickets.TASK, None, [], {})

    @property
    def func(self) -> Callable[[str], None]:
        """The one task there is, whatever the entry names."""
        return make_video

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        """No entry of ours has any."""


class TicketQueue(Queue):
    """A queue of RQ whose entries are taken off it at once: a ticket that gets lost is replaced."""

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:
        """The next entry, which RQ would keep on a second list until it has begun."""
        return cls.lpop([queue_key], timeout, connection=connection)
