"""The body of a request that changes a waiting video."""

from typing import Self

from pydantic import Field, model_validator

from jobs.errors import InvalidRequest
from jobs.model.states import Priority
from service.schemas.request_model import Number, RequestModel
from service.schemas.requests.field_types import Metadata


class UpdateVideo(RequestModel):
    """The changes of a waiting video. An absent field keeps its value."""

    priority: Priority | None = Field(
        None, description="The video gets the place of a new one of this priority; a higher one never delays it."
    )
    deadline: Number | None = Field(None, description="Unix seconds, as in the request that creates a video.")
    metadata: Metadata | None = Field(None, description="Replaces all pairs; an empty object removes them.")

    @model_validator(mode="after")
    def _has_a_change(self) -> Self:
        if not self.model_fields_set:
            raise InvalidRequest("the body has no change; send priority, deadline or metadata")
        return self
