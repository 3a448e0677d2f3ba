"""Who asks for a video, and how: what every route that makes one begins with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from service.once import Repeatable, RepeatableDep
from service.parts import CallerDep, Parts, PartsDep


@dataclass(frozen=True)
class Asker:
    """The caller of a request for a video, before anything is known of the video."""

    parts: Parts
    owner: str
    repeatable: Repeatable


def asker_of(caller: CallerDep, parts: PartsDep, repeatable: RepeatableDep) -> Asker:
    """Who asks. Raises InvalidRequest, Problem `invalid_api_key`."""
    return Asker(parts, caller.owner, repeatable)


AskerDep = Annotated[Asker, Depends(asker_of)]
