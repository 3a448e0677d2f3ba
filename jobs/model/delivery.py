"""A row of the ledger: one event on its way to one receiver, and every try to bring it there."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["pending", "delivered", "exhausted", "refused", "dropped"]


class Try(BaseModel):
    """One try: when (unix seconds), where to, what came back, and how long that took.

    `answer` says it in words; `status_code` is None where no answer came, `body` the beginning of the answer's.
    """

    model_config = ConfigDict(frozen=True)

    at: float
    url: str
    status_code: int | None
    answer: str
    body: str
    duration_ms: int


class Delivery(BaseModel):
    """`endpoint_id` is the standing endpoint it goes to; without one it goes to `url`, signed with `secret`.

    `event_id` is the receiver's `webhook-id`, the same for all receivers of the event and on every try. `place` counts
    the tries since it was last started on the schedule, `lane` is the queue it stands in. Where the request brought no
    secret, the service's own signs.
    """

    model_config = ConfigDict(frozen=True)

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
    status: Status = "pending"
    tries: int = 0
    place: int = 0
    claimed_until: float = 0.0

    @classmethod
    def from_hash(cls, fields: Mapping[bytes, bytes]) -> Self:
        """The row as Redis keeps it."""
        return cls.model_validate({name.decode(): value.decode() for name, value in fields.items()})

    def to_pairs(self) -> list[str]:
        """The fields that say something, as Redis keeps them: name, value, name, value."""
        given: dict[str, Any] = self.model_dump(exclude_defaults=True)
        return [str(word) for pair in given.items() for word in pair]
