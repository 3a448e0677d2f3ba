"""FastAPI dependencies of the routes: resources, caller, owner and body."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyQuery, HTTPAuthorizationCredentials, HTTPBearer

from jobs.model.job import Job
from service.http.auth import Caller
from service.http.body import read_fields
from service.http.errors import ApiError
from service.resources import Resources
from service.web.tickets import TicketScope


async def get_resources(request: Request) -> Resources:
    """The resources of this process."""
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]


KEY = HTTPBearer(
    scheme_name="key", description="Your API key; required unless the operator disabled it.", auto_error=False
)


Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(KEY)]


async def get_caller(resources: ResourcesDep, credentials: Credentials) -> Caller:
    """The authenticated caller. Raises ApiError `invalid_api_key`, QueueUnavailable."""
    return await resources.authenticator.identify(credentials.credentials if credentials else None)


CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_owner(caller: CallerDep) -> str:
    """The owner of the videos of this request. Raises ApiError `invalid_api_key`, QueueUnavailable."""
    return caller.owner


OwnerDep = Annotated[str, Depends(get_owner)]


async def get_admin(caller: CallerDep) -> Caller:
    """The caller, if its key has the role admin. Raises ApiError `forbidden`, `invalid_api_key`, QueueUnavailable."""
    if not caller.is_admin:
        message = "this route needs a key with the role admin: `easyanimate keys create NAME --role admin` creates one"
        raise ApiError("forbidden", message)
    return caller


AdminDep = Annotated[Caller, Depends(get_admin)]


async def get_owned_job(video_id: str, owner: OwnerDep, resources: ResourcesDep) -> Job:
    """The job in the path, if the caller owns it. Raises JobNotFound, QueueUnavailable."""
    await resources.clock.now()  # its estimate decides whether files have expired
    return await resources.reader.get_owned(video_id, owner)


JobDep = Annotated[Job, Depends(get_owned_job)]

TICKET = APIKeyQuery(
    name="ticket",
    scheme_name="ticket",
    description="A ticket for this video, in place of a key, for clients that cannot send one.",
    auto_error=False,
)
TicketText = Annotated[str | None, Security(TICKET)]


class WatchedJob:
    """A dependency: the job in the path, if the caller owns it or has a ticket with one of these scopes."""

    def __init__(self, *scopes: TicketScope) -> None:
        self.scopes = frozenset(scopes)

    async def __call__(
        self, video_id: str, resources: ResourcesDep, credentials: Credentials, ticket: TicketText
    ) -> Job:
        """A ticket decides alone. Raises ApiError `forbidden`, `invalid_api_key`, JobNotFound, QueueUnavailable."""
        now = await resources.clock.now()
        if ticket is not None:
            resources.links.tickets.check(ticket, video_id, self.scopes, now)
            return await resources.reader.get(video_id)
        caller = await get_caller(resources, credentials)
        return await resources.reader.get_owned(video_id, caller.owner)


EventsJobDep = Annotated[Job, Depends(WatchedJob(TicketScope.WATCH))]
PlaylistJobDep = Annotated[Job, Depends(WatchedJob(TicketScope.WATCH, TicketScope.PLAYLIST))]


async def read_body(request: Request, resources: ResourcesDep) -> dict[str, Any]:
    """The fields of the body. Raises InvalidRequest, ApiError `payload_too_large`, `unsupported_media_type`."""
    return await read_fields(request, resources.settings.body_limit_bytes)


async def read_optional_body(request: Request, resources: ResourcesDep) -> dict[str, Any]:
    """The fields of the body; none if it is empty. Raises as `read_body`."""
    return await read_fields(request, resources.settings.body_limit_bytes, optional=True)


BodyDep = Annotated[dict[str, Any], Depends(read_body)]
OptionalBodyDep = Annotated[dict[str, Any], Depends(read_optional_body)]
