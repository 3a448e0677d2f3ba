"""Stored files through signed links, where storage is a folder of this machine; S3 serves its own."""

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobs.storage.local import LocalStorage
from jobs.storage.signed_urls import is_signed
from service.dependencies import ResourcesDep
from service.http.errors import ApiError
from service.http.ranges import range_response

router = APIRouter(include_in_schema=False)


@router.head("/files/{key:path}")
@router.get("/files/{key:path}")
def read_signed_file(
    key: str, request: Request, resources: ResourcesDep, expires: str = "", filename: str = "", signature: str = ""
) -> Response:
    """The file of a link that this service made and whose time has not run out."""
    storage = resources.storage
    if not isinstance(storage, LocalStorage):
        raise ApiError("not_found", "files are served by the object store itself here")
    is_time = expires.isascii() and expires.isdecimal() and len(expires) < 20
    if not is_time or not is_signed(storage.secret, key, int(expires), filename, signature, time.time()):
        raise ApiError("forbidden", "this link is not one of ours or has run out; GET /v1/videos/{id} has a fresh one")
    return range_response(request, storage, key, filename)
