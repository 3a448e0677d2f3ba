"""What RQ may carry: the id of a job for the one task. Whatever else an entry says, nothing is imported or called."""

from collections.abc import Callable
from typing import Any

from rq.exceptions import DeserializationError
from rq.job import Job as RQJob

from jobs import queue
from worker.tasks import make_video


class Entry(RQJob):
    """An RQ job that can do one thing."""

    success_callback = failure_callback = stopped_callback = None

    @property
    def video_job_id(self) -> str | None:
        """The id of the job to do; None for an entry that asks for anything else, which is to be refused."""
        try:
            match (self.func_name, self.instance, self.args, self.kwargs):
                case (queue.TASK, None, [str(job_id)], {**rest}) if not rest:
                    return job_id
        except DeserializationError:
            pass
        return None

    @property
    def func(self) -> Callable[[str], None]:
        return make_video

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        """No entry of ours has any."""
