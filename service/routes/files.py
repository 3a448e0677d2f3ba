"""The routes of `/v1/files`: uploaded images and videos, which requests name by their id."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from service.dependencies import BodyDep, OwnerDep, ResourcesDep
from service.http.fields import check_query, validate
from service.http.ranges import range_response
from service.openapi.headers import request_headers
from service.openapi.request_bodies import form_body
from service.openapi.responses import BODY_ERRORS, CONTENT_ERRORS, KEY_ERRORS, QUERY_ERRORS, errors, upload_responses
from service.routes.durable_route import DurableRoute, undo_if_not_durable
from service.schemas.file import CreateFile, File, FileDeleted, FileList, to_file
from service.schemas.pages import After, empty_as, entries_after

router = APIRouter(prefix="/v1/files", tags=["files"], route_class=DurableRoute)

MAX_PAGE = 10_000
LIST_PARAMETERS = ("limit", "after", "order", "purpose")
FILE_ERRORS = (*KEY_ERRORS, "file_not_found")
UPLOAD_ERRORS = (
    *("unsupported_file", "unsupported_image", "unsupported_video", "too_many_files"),
    *("rate_limited", "storage_unavailable", "decoder_unavailable", "not_durable"),
)


@router.post(
    "",
    responses={200: {"model": File}, **errors(*KEY_ERRORS, *BODY_ERRORS, *UPLOAD_ERRORS)},
    openapi_extra=form_body(CreateFile),
)
def create_file(request: Request, owner: OwnerDep, resources: ResourcesDep, fields: BodyDep) -> JSONResponse:
    """Uploads an image or a video, which requests then name by its id. Accepted videos keep a copy of it."""
    body = validate(CreateFile, fields)
    lifetime_s = body.expires_after.seconds if body.expires_after else resources.settings.file_ttl_s
    file = resources.uploads.store(owner, body.file, body.purpose, lifetime_s)
    undo_if_not_durable(request, lambda: resources.uploads.remove(owner, file.id))
    return JSONResponse(to_file(file).model_dump())


@router.get("", responses=errors(*FILE_ERRORS, *QUERY_ERRORS))
def list_files(
    request: Request,
    owner: OwnerDep,
    resources: ResourcesDep,
    limit: Annotated[int, empty_as(MAX_PAGE), Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    after: After = None,
    order: Annotated[Literal["asc", "desc"], empty_as("desc")] = "desc",
    purpose: Annotated[str | None, empty_as(None)] = None,
) -> FileList:
    """Lists the caller's files, newest first unless `order` is `asc`."""
    check_query(request.query_params, LIST_PARAMETERS)
    newest_first = order == "desc"
    cursor = None if after is None else resources.uploads.index.place(owner, after)
    files = entries_after(resources.uploads.listed(owner, newest_first=newest_first), cursor, newest_first=newest_first)
    files = [file for file in files if purpose in (None, file.purpose)]
    return FileList.of([to_file(file) for file in files[:limit]], has_more=len(files) > limit)


@router.get("/{file_id}", responses=errors(*FILE_ERRORS))
def read_file(file_id: str, owner: OwnerDep, resources: ResourcesDep) -> File:
    """Returns the properties of a file."""
    return to_file(resources.uploads.get(owner, file_id))


@router.get(
    "/{file_id}/content",
    responses={**upload_responses(), **errors(*FILE_ERRORS, *CONTENT_ERRORS)},
    response_class=Response,
    openapi_extra=request_headers("Range", "If-Range", "If-None-Match"),
)
def read_file_content(file_id: str, request: Request, owner: OwnerDep, resources: ResourcesDep) -> Response:
    """Returns the bytes as they were uploaded, whole or a `Range` of them."""
    file = resources.uploads.get(owner, file_id)
    return range_response(request, resources.storage, file.key, file.filename, f'"{file.content_sha256}"')


@router.delete("/{file_id}", responses=errors(*FILE_ERRORS, "storage_unavailable", "not_durable"))
def delete_file(file_id: str, owner: OwnerDep, resources: ResourcesDep) -> FileDeleted:
    """Deletes a file before it expires. Videos that use it keep their copy."""
    resources.uploads.remove(owner, file_id)
    return FileDeleted(id=file_id)
