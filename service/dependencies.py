"""Dependencies that FastAPI injects into routes."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.http.auth import Caller
from service.http.body import Body
from service.http.errors import Problem
from service.resources import Parts


async def parts_of(request: Request) -> Parts:
    """The parts of the process that answers this request."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(parts_of)]


KEY = HTTPBearer(
    scheme_name="key", description="The caller's key; needed unless the operator set none.", auto_error=False
)


Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(KEY)]


async def caller_of(parts: PartsDep, credentials: Credentials) -> Caller:
    """Who calls. Raises Problem `invalid_api_key`, QueueUnavailable."""
    return await parts.callers.identify(credentials.credentials if credentials else None)


CallerDep = Annotated[Caller, Depends(caller_of)]


async def owner_of(caller: CallerDep) -> str:
    """Whose videos this request is about. Raises Problem `invalid_api_key`, QueueUnavailable."""
    return caller.owner


OwnerDep = Annotated[str, Depends(owner_of)]


async def read_body(request: Request, parts: PartsDep) -> Body:
    """The body, whole, if it is not over the limit. Raises Problem `payload_too_large`."""
    limit = parts.settings.body_limit_bytes
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


def _too_large(limit: int) -> Problem:
    return Problem("payload_too_large", f"a request may have {limit} bytes; send a smaller picture")
