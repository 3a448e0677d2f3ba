"""The shots of a film in a request, and the changes of shots in a remix."""

import re
from typing import Any

from pydantic import Field

from jobs.errors import InvalidRequest
from service.http.fields import validate
from service.schemas.request_model import Integer, RequestModel, to_list, to_object
from service.schemas.requests.field_types import SOURCES, Input, Overlap, Prompt, Seconds, Seed, Text

MAX_SHOTS = 64
SHOT_INDEX = re.compile(r"0|[1-9][0-9]{0,2}")


class ShotChange(RequestModel):
    """The fields of a shot that a remix changes; the others stay."""

    prompt: Prompt | None = Field(None, description="What the shot shows.")
    num_frames: Integer | None = Field(None, description="Frames of this shot, a multiple of 8; or send seconds.")
    seconds: Seconds | None = Field(None, description="Playing time, rounded to the nearest possible one.")
    negative_prompt: Text | None = Field(None, description="What the shot does not show.")
    image: Input = Field(None, description=f"The start image of the shot, which begins with a cut: {SOURCES}.")
    last_image: Input = Field(None, description="The end image of the shot; sent like the start image.")
    seed: Seed | None = Field(None, description="The seed of the shot.")
    overlap: Overlap | None = Field(
        None, description="Frames of the shot before that it continues from; 0 is a cut, which a new image needs."
    )


class ShotBody(ShotChange):
    """One shot of a film."""

    prompt: Prompt = Field(description="What the shot shows.")
    negative_prompt: Text | None = Field(
        None, description="What the shot does not show; that of the request if absent."
    )
    seed: Seed | None = Field(None, description="The seed of the request plus the index of the shot if absent.")
    overlap: Overlap | None = Field(
        None,
        description="Frames of the shot before that it continues from; 0 is a cut. If absent, that of the request, and "
        "0 with an image.",
    )


def to_shots(value: Any) -> tuple[ShotBody, ...]:
    """The shots of a film, whose refusals name the shot. Raises InvalidRequest."""
    try:
        shots = _shot_list(to_list(value, "shots"))
        return tuple(validate(ShotBody, to_object(shot, f"shots[{i}]"), f"shots[{i}]") for i, shot in enumerate(shots))
    except InvalidRequest as error:
        code = "invalid_shots" if error.code == "invalid_request" else error.code
        raise error.with_place(str(error), error.param or "shots", code) from error


def to_shot_changes(value: Any) -> dict[str, ShotChange]:
    """The changed shots by their index as text; refusals name the shot. Raises InvalidRequest."""
    try:
        return {index: _shot_change(index, shot) for index, shot in _indexed(value).items()}
    except InvalidRequest as error:
        code = "invalid_shots" if error.code == "invalid_request" else error.code
        raise error.with_place(str(error), error.param or "shots", code) from error


def _indexed(value: Any) -> dict[str, Any]:
    values = to_object(value, "shots")
    if isinstance(values, list) and len(values) == 1 and isinstance(values[0], dict):  # of a form
        values = values[0]
    if not isinstance(values, dict) or not all(SHOT_INDEX.fullmatch(str(index)) for index in values):
        message = 'shots of a remix are an object by their index, as in {"1": {"prompt": "…"}}'
        raise InvalidRequest(message, "shots", reason="not_an_object")
    return values


def _shot_change(index: str, shot: Any) -> ShotChange:
    name = f"shots[{index}]"
    return validate(ShotChange, to_object(shot, name), name)


def _shot_list(values: list[Any]) -> list[Any]:
    """The shots in order; a form numbers them, as in `shots[0][prompt]`."""
    if len(values) == 1 and isinstance(values[0], dict) and values[0] and all(map(str.isdecimal, values[0])):
        numbered = {int(name): shot for name, shot in values[0].items()}
        values = [numbered[number] for number in sorted(numbered)]
        if sorted(numbered) != list(range(len(values))):
            message = "shots are numbered from 0 without a gap, as in shots[0][prompt]"
            raise InvalidRequest(message, "shots", reason="not_a_list")
    if not 1 <= len(values) <= MAX_SHOTS:
        message = f"shots has {len(values)} entries; a film has 1 to {MAX_SHOTS} shots"
        raise InvalidRequest(message, "shots", reason="film_shot_count", count=len(values), most=MAX_SHOTS)
    return values
