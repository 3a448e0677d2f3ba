"""The routes of `/v1/files`: pictures and videos sent ahead, to be named in requests by their id."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from jobs.errors import FileNotFound, InvalidRequest
from service.dependencies import BodyDep, OwnerDep, ResourcesDep
from service.http.fields import Fields
from service.http.forms import FormFile
from service.http.ranges import range_response
from service.openapi.headers import request_headers
from service.openapi.responses import BODY_ERRORS, CONTENT_ERRORS, KEY_ERRORS, QUERY_ERRORS, errors, upload_responses
from service.schemas.file import File, FileDeleted, FileList, _show

router = APIRouter(prefix="/v1/files", tags=["files"])

PURPOSES = ("user_data", "vision")
MIN_LIFETIME_S, MAX_LIFETIME_S = 3600, 30 * 86_400
KNOWN = ("file", "content", "purpose", "expires_after")
LIST_PARAMETERS = ("limit", "after", "order", "purpose")
FILE_ERRORS = (*KEY_ERRORS, "file_not_found")
UPLOAD_ERRORS = ("unsupported_file", "unsupported_image", "unsupported_video", "too_many_files", "storage_unavailable")
FORM = {
    "type": "object",
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "PNG, JPEG, WebP, still GIF, or MP4. Its type is read from its bytes.",
        },
        "purpose": {"type": "string", "enum": list(PURPOSES), "default": PURPOSES[0]},
        "expires_after": {
            "type": "object",
            "properties": {
                "anchor": {"type": "string", "enum": ["created_at"]},
                "seconds": {"type": "integer", "minimum": MIN_LIFETIME_S, "maximum": MAX_LIFETIME_S},
            },
            "required": ["seconds"],
            "additionalProperties": False,
        },
    },
    "required": ["file"],
    "additionalProperties": False,
}
REQUEST_BODY = {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}


@router.post(
    "",
    responses={200: {"model": File}, **errors(*KEY_ERRORS, *BODY_ERRORS, *UPLOAD_ERRORS)},
    openapi_extra={"requestBody": REQUEST_BODY},
)
def create_file(owner: OwnerDep, resources: ResourcesDep, body: BodyDep) -> JSONResponse:
    """Send a picture or video ahead, to be named in requests by its id until it ends. Accepted videos have a copy."""
    fields = Fields(body.fields())
    fields.refuse_unknown(KNOWN)
    given = [fields.get(name) for name in ("file", "content") if fields.get(name) is not None]
    if len(given) != 1 or not isinstance(given[0], FormFile):
        raise InvalidRequest("send one file as the part `file` of multipart/form-data, with a filename", "file")
    purpose = fields.text("purpose", 100) or PURPOSES[0]
    if purpose not in PURPOSES:
        raise fields.refused("purpose", f"must be one of {', '.join(PURPOSES)}")
    seconds = _lifetime(fields, resources.settings.file_ttl_s)
    return JSONResponse(_show(resources.shelf.keep(owner, given[0], purpose, seconds)).model_dump())


@router.get(
    "",
    responses=errors(*FILE_ERRORS, *QUERY_ERRORS),
)
def list_files(
    request: Request,
    owner: OwnerDep,
    resources: ResourcesDep,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    after: str | None = None,
    order: Literal["asc", "desc"] = "desc",
    purpose: str | None = None,
) -> FileList:
    """The caller's files, newest first unless `order` says otherwise."""
    Fields(dict(request.query_params)).refuse_unknown(LIST_PARAMETERS)
    files = resources.shelf.listed(owner, newest_first=order == "desc")
    if after is not None:
        places = [place for place, file in enumerate(files) if file.id == after]
        if not places:
            raise FileNotFound(f"there is no file {after[:100]!r} to go on after")
        files = files[places[0] + 1 :]
    files = [file for file in files if purpose in (None, file.purpose)]
    page = [_show(file) for file in files[:limit]]
    first, last = (page[0].id, page[-1].id) if page else (None, None)
    return FileList(data=page, first_id=first, last_id=last, has_more=len(files) > limit)


@router.get("/{file_id}", responses=errors(*FILE_ERRORS))
def read_file(file_id: str, owner: OwnerDep, resources: ResourcesDep) -> File:
    """What is known of a file."""
    return _show(resources.shelf.get(owner, file_id))


@router.head("/{file_id}/content", include_in_schema=False)
@router.get(
    "/{file_id}/content",
    responses={
        **upload_responses(),
        **errors(*FILE_ERRORS, *CONTENT_ERRORS),
    },
    response_class=Response,
    openapi_extra=request_headers("Range", "If-Range", "If-None-Match"),
)
def read_file_content(file_id: str, request: Request, owner: OwnerDep, resources: ResourcesDep) -> Response:
    """The bytes as they were sent, whole or a `Range` of them."""
    file = resources.shelf.get(owner, file_id)
    return range_response(request, resources.storage, file.key, file.filename, f'"{file.content_sha256}"')


@router.delete("/{file_id}", responses=errors(*FILE_ERRORS, "storage_unavailable"))
def delete_file(file_id: str, owner: OwnerDep, resources: ResourcesDep) -> FileDeleted:
    """Erase a file before its end. Videos asked for with it are not touched."""
    resources.shelf.remove(owner, file_id)
    return FileDeleted(id=file_id)


def _lifetime(fields: Fields, default_s: int) -> int:
    wish = fields.part("expires_after")
    if wish is None:
        return default_s
    wish.refuse_unknown(("anchor", "seconds"))
    if wish.text("anchor", 100) not in (None, "created_at"):
        raise wish.refused("anchor", "must be created_at")
    seconds = wish.whole("seconds")
    if seconds is None or not MIN_LIFETIME_S <= seconds <= MAX_LIFETIME_S:
        raise wish.refused("seconds", f"must be between {MIN_LIFETIME_S} and {MAX_LIFETIME_S}")
    return seconds
