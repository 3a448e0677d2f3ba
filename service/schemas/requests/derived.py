"""The requests for a video that is made from another one: edit, extend, remix and promote."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from service.schemas.requests.field_types import SourceVideoInput
from service.schemas.requests.generation import (
    DescribedVideo,
    GenerationFields,
    PromptOrShots,
    RepaintingFields,
    ScheduledRequest,
    WindowFields,
)
from service.schemas.requests.shots import ShotChange, to_shot_changes


class EditVideo(RepaintingFields, GenerationFields):
    """A request to change a video."""

    video: SourceVideoInput


class ExtendVideo(WindowFields, GenerationFields):
    """A request to continue a video."""

    video: SourceVideoInput


class RemixVideo(PromptOrShots, DescribedVideo):
    """The fields of a remix: another prompt, or for a film the shots that change."""

    shots: Annotated[dict[str, ShotChange], BeforeValidator(to_shot_changes)] | None = Field(
        None,
        description="The shots of a film that change, by their index from 0; the fields that are not sent stay. "
        'Only windows whose inputs changed need to be generated again. As {"1": {"prompt": "…"}}; in a form: '
        "shots[1][prompt].",
    )


class PromoteVideo(ScheduledRequest):
    """The fields of a promotion: all settings are those of the draft."""
