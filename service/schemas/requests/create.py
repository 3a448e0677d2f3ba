"""The request for a new video."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from easyanimate.media.formats import IMAGE_NAMES
from jobs.errors import InvalidRequest
from service.schemas.request_model import AS_OBJECT, Flag, Integer
from service.schemas.requests.field_types import SOURCES, Input, SourceVideoInput
from service.schemas.requests.generation import GenerationFields, PromptOrShots, RepaintingFields, WindowFields
from service.schemas.requests.parts import DraftBody
from service.schemas.requests.shots import MAX_SHOTS, ShotBody, to_shots

MAX_VIDEOS = 8


class CreateVideo(PromptOrShots, WindowFields, RepaintingFields, GenerationFields):
    """A request for a new video, of one prompt or of several shots."""

    shots: Annotated[tuple[ShotBody, ...], BeforeValidator(to_shots)] = Field(
        default_factory=tuple,
        max_length=MAX_SHOTS,
        description="The shots of a film, in place of prompt and num_frames. In a form: shots[0][prompt].",
    )
    video: SourceVideoInput = None
    image: Input = Field(
        None,
        description=f"The start image ({IMAGE_NAMES}): {SOURCES}; "
        'also as {"image_url": …} or {"file_id": …}. It is turned upright, transparency becomes white.',
    )
    input_reference: Input = Field(None, description="The same as image, by its OpenAI name.")
    draft: Annotated[DraftBody, AS_OBJECT] | None = Field(
        None,
        description="Ends after so many steps with an estimate; POST /v1/videos/{id}/promote finishes it.",
    )
    resize_to_image: Flag = Field(False, description="Uses the aspect ratio of the start image.")
    n: Integer = Field(
        1,
        ge=1,
        le=MAX_VIDEOS,
        description="How many, with consecutive seeds. The answer is the first one's record; `batch` names all.",
    )

    @property
    def start_image(self) -> Any:
        """The start image, under either of its names."""
        return self.input_reference if self.image is None else self.image

    @model_validator(mode="after")
    def _has_one_start_image(self) -> Self:
        if self.image is not None and self.input_reference is not None:
            message = "image and input_reference are two names of one field; send one of them"
            raise InvalidRequest(message, "image", reason="two_start_images")
        return self


INPUT_FIELDS = frozenset({"image", "input_reference", "last_image", "video", "mask"})
