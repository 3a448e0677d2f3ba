"""Characters, which newer OpenAI clients create and read, do not exist here; the name is no id of a video."""

from fastapi import APIRouter, Request

from service.http.errors import ApiError

router = APIRouter(prefix="/v1/videos/characters", include_in_schema=False)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@router.api_route("", methods=METHODS)
@router.api_route("/{character_id}", methods=METHODS)
async def refuse_characters(request: Request) -> None:
    """Raises ApiError `not_found`."""
    raise ApiError("not_found", f"{request.method} {request.url.path} does not exist: this service has no characters")
