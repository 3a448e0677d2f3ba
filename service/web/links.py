"""Links to a video that need no key, created when a client reads its record; and relative links."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import PurePosixPath
from posixpath import dirname, relpath

from jobs.model.job import Job
from jobs.model.states import State
from jobs.storage.interface import Storage
from service.schemas.video import LINK_LIFETIME_S, Links
from service.web.tickets import TicketOffice, TicketScope


@dataclass(frozen=True)
class VideoLinks:
    """Creates the links of a record. `public_url` is the address of the service for its callers; `clock` is Redis'."""

    storage: Storage
    tickets: TicketOffice
    public_url: str
    clock: Callable[[], float]

    def of(self, job: Job) -> Links:
        """New links to the result and to the playlist, while they exist."""
        now = self.clock()
        if job.has_expired(now):
            return Links()
        return Links(self._result(job, now), self._playlist(job, now))

    def _result(self, job: Job, now: float) -> str | None:
        if job.result is None:
            return None
        return self.storage.url(job.result.video_key, link_lifetime_s(job, now), file_name(job))

    def _playlist(self, job: Job, now: float) -> str | None:
        if not job.watchable or (job.state.is_final and job.state is not State.COMPLETED):
            return None
        ticket = self.tickets.issue(TicketScope.PLAYLIST, job.id, int(now) + playlist_lifetime_s(job, now))
        return f"{self.public_url.rstrip('/')}/v1/videos/{job.id}/playlist.m3u8?ticket={ticket}"


def link_lifetime_s(job: Job, now: float) -> int:
    """The lifetime of a new link: an hour, or until the files expire. `now` in unix seconds."""
    return LINK_LIFETIME_S if job.expires_at is None else min(LINK_LIFETIME_S, ceil(job.expires_at - now))


def playlist_lifetime_s(job: Job, now: float) -> int:
    """The lifetime of the links of a player, which needs them until the end of the video. `now` in unix seconds."""
    return link_lifetime_s(job, now) + ceil(job.request.seconds)


def file_name(job: Job) -> str:
    """The name for the downloaded result."""
    return f"{job.id}{PurePosixPath(job.request.result_name).suffix}"


def relative_reference(path: str, target: str) -> str:
    """The relative reference from the path of a request to another path; it holds below each path of a proxy."""
    return relpath(target, dirname(path))
