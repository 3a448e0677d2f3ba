"""The route that creates tickets, for browsers; `service/web/tickets.py` has what they allow."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from service.dependencies import JobDep, ResourcesDep
from service.openapi.headers import response_headers
from service.openapi.responses import VIDEO_ERRORS, errors
from service.web.tickets import TicketScope

router = APIRouter(prefix="/v1/videos", tags=["videos"])

TICKET_LIFETIME_S = 60


class Ticket(BaseModel):
    """A ticket for the events and the playlist of one video."""

    ticket: str = Field(description="Send it as the query parameter `ticket`, in place of a key.")
    expires_at: int = Field(description="Unix seconds. A stream of events that was opened before continues.")


@router.post(
    "/{video_id}/tickets",
    responses={200: {"model": Ticket, "headers": response_headers("Cache-Control")}, **errors(*VIDEO_ERRORS)},
)
async def create_ticket(job: JobDep, resources: ResourcesDep) -> JSONResponse:
    """Creates a ticket, valid for a minute: with it a browser's `EventSource` or player needs no key."""
    expires_at = int(resources.clock.estimate()) + TICKET_LIFETIME_S
    ticket = resources.links.tickets.issue(TicketScope.WATCH, job.id, expires_at)
    return JSONResponse(
        Ticket(ticket=ticket, expires_at=expires_at).model_dump(), headers={"Cache-Control": "no-store"}
    )
