"""Tickets: signed texts that allow to watch one video without a key, in the query of a URL, for a short time.

An `EventSource` and a native video player of a browser cannot send a key. A ticket does not allow anything else: no
record, no other video, and no change.
"""

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

from jobs.storage.signed_urls import is_signature, parse_expiry, signature_of
from service.http.errors import ApiError


class TicketScope(StrEnum):
    """What a ticket opens: events and playlist of a video, or its playlist only."""

    WATCH = "watch"
    PLAYLIST = "playlist"


@dataclass(frozen=True)
class TicketOffice:
    """Issues and checks tickets. All front ends need the same `secret`."""

    secret: bytes

    def issue(self, scope: TicketScope, video_id: str, expires_at: int) -> str:
        """A ticket that is valid until `expires_at` (unix seconds)."""
        return f"{scope}.{expires_at}.{signature_of(self.secret, 'ticket', scope, video_id, expires_at)}"

    def check(self, ticket: str, video_id: str, allowed: Set[str], now: float) -> None:
        """Raises ApiError `forbidden` unless this ticket opens this video now. `now` in unix seconds."""
        scope, _, rest = ticket.partition(".")
        expiry, _, signature = rest.partition(".")
        expires_at = parse_expiry(expiry)
        if scope not in allowed or expires_at is None or now >= expires_at:
            raise _refused()
        if not is_signature(signature, self.secret, "ticket", scope, video_id, expires_at):
            raise _refused()


def _refused() -> ApiError:
    message = "this ticket is not valid here or has expired; POST /v1/videos/{id}/tickets creates one for a minute"
    return ApiError("forbidden", message)
