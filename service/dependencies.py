"""Dependencies that FastAPI injects into routes."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.http.auth import Caller
from service.http.body import Body
from service.http.errors import ApiError
from service.resources import Resources


async def get_resources(request: Request) -> Resources:
    """The parts of the process that answers this request."""
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]


KEY = HTTPBearer(
    scheme_name="key", description="The caller's key; needed unless the operator set none.", auto_error=False
)


Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(KEY)]


async def get_caller(resources: ResourcesDep, credentials: Credentials) -> Caller:
    """Who calls. Raises ApiError `invalid_api_key`, QueueUnavailable."""
    return await resources.callers.identify(credentials.credentials if credentials else None)


CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_owner(caller: CallerDep) -> str:
    """Whose videos this request is about. Raises ApiError `invalid_api_key`, QueueUnavailable."""
    return caller.owner


OwnerDep = Annotated[str, Depends(get_owner)]


async def read_body(request: Request, resources: ResourcesDep) -> Body:
    """The body, whole, if it is not over the limit. Raises ApiError `payload_too_large`."""
    limit = resources.settings.body_limit_bytes
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > limit:
            raise _too_large(limit)
    return Body(request.headers.get("content-type", ""), bytes(data))


BodyDep = Annotated[Body, Depends(read_body)]


def _too_large(limit: int) -> ApiError:
    return ApiError("payload_too_large", f"a request may have {limit} bytes; send a smaller picture")
