"""A row of the delivery ledger: one event for one receiver, and each try to deliver it."""

from collections.abc import Mapping
from typing import Literal, Self, get_args

from pydantic import BaseModel, Field

from jobs.model.stored import StoredModel, parse_stored_hash

Status = Literal["pending", "delivered", "exhausted", "refused", "dropped"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Try(BaseModel, frozen=True, allow_inf_nan=False):
    """One try of a delivery: its time in unix seconds, URL, result and duration.

    `answer` is the result as text. `status_code` is None without a response; `body` is the beginning of its body.
    """

    at: float
    url: str
    status_code: int | None
    answer: str
    body: str
    duration_ms: int


class Delivery(StoredModel, frozen=True):
    """An event for the endpoint `endpoint_id`, or without one for `url`, signed with `secret`.

    `event_id` is the receiver's `webhook-id`, the same for all receivers of the event and on every try. `place` counts
    the tries since the schedule was last started, `lane` is the queue of the receiver. An empty `secret` means the
    service's own secret.
    """

    id: str
    event_id: str
    job_id: str
    owner: str
    type: str
    lane: str
    endpoint_id: str = ""
    url: str = ""
    secret: str = Field(default="", repr=False)
    body: str
    traceparent: str = ""
    created_at: float
    status: str = "pending"  # of `STATUSES`, or of a newer release
    tries: int = 0
    place: int = 0
    claimed_until: float = 0.0

    @classmethod
    def from_hash(cls, fields: Mapping[bytes, bytes]) -> Self:
        """Parses the row as stored in Redis. Raises RecordUnreadable."""
        return parse_stored_hash(cls, fields)
