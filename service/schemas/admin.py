"""The bodies of requests of operators."""

from pydantic import Field

from jobs.queue.pauses import MAX_REASON_CHARS
from service.schemas.request_model import RequestModel


class PauseQueue(RequestModel):
    """The pause of a queue."""

    reason: str = Field(
        "",
        max_length=MAX_REASON_CHARS,
        description="Why, for other operators and callers: `GET /v1/queue` and `/metrics` show it.",
    )
