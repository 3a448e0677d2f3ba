"""Serves stored files by signed links when storage is a local folder; S3 serves its own files."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobs.storage.local import LocalStorage
from jobs.storage.signed_urls import is_signed, parse_expiry
from service.dependencies import ResourcesDep
from service.http.errors import ApiError
from service.http.ranges import range_response

router = APIRouter(include_in_schema=False)


@router.get("/files/{key:path}")
def read_signed_file(
    key: str, request: Request, resources: ResourcesDep, expires: str = "", filename: str = "", signature: str = ""
) -> Response:
    """Serves the file of a valid link that has not expired."""
    storage = resources.storage
    if not isinstance(storage, LocalStorage):
        raise ApiError("not_found", "the object store serves the files itself")
    expires_at, now = parse_expiry(expires), resources.clock.estimate()
    if expires_at is None or not is_signed(storage.secret, key, expires_at, filename, signature, now):
        raise ApiError("forbidden", "this link is not valid or has expired; GET /v1/videos/{id} has a new one")
    return range_response(request, storage, key, filename)
