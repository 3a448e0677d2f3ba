"""The route of a video's attempts: who tried to make it, what that took, how it ended, and whose fault it was."""

from fastapi import APIRouter
from pydantic import BaseModel

from jobs.attempts import Attempt
from service.openapi import errors
from service.parts import OwnerDep, PartsDep

router = APIRouter(prefix="/v1/videos", tags=["videos"])


class AttemptList(BaseModel):
    """Every attempt at a video, the first one first."""

    object: str = "list"
    data: list[Attempt]


@router.get("/{video_id}/attempts", responses=errors("invalid_api_key", "video_not_found", "queue_unavailable"))
def list_attempts(video_id: str, owner: OwnerDep, parts: PartsDep) -> AttemptList:
    """Every attempt at a video: its worker, the seconds of its phases, how it ended."""
    job = parts.store.get_owned(video_id, owner)
    return AttemptList(data=parts.store.attempts(job.id))
