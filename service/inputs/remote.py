"""Fetches the files that a request names by link, before the job is accepted and a few at a time.

All requests go through `jobs/outbound_http.py`, which blocks private addresses, also behind names and redirects.
"""

from jobs.errors import InvalidRequest
from jobs.outbound_http import AddressBlocked, OutboundClient, RequestFailed
from service.inputs.concurrency import ConcurrencyLimiter
from service.inputs.kinds import InputKind
from service.schemas.requests.field_types import MAX_URL_CHARS


class RemoteFetcher:
    """Fetches files of at most `max_bytes` through `outbound`."""

    def __init__(self, outbound: OutboundClient, max_bytes: int, concurrency: ConcurrencyLimiter) -> None:
        self.outbound = outbound
        self.max_bytes = max_bytes
        self.concurrency = concurrency

    def fetch(self, owner: str, url: str, param: str, kind: InputKind) -> bytes:
        """The file at `url`. Raises InvalidRequest `url_not_allowed` or the kind's code, ApiError `rate_limited`."""
        if len(url) > MAX_URL_CHARS:
            raise InvalidRequest(f"{param} has {len(url)} characters; at most {MAX_URL_CHARS} are accepted", param)
        with self.concurrency.slot(owner):
            self.outbound.check(url, param)
            try:
                return self.outbound.fetch(url, self.max_bytes)
            except AddressBlocked as error:
                message = f"{param} leads to an address that is not allowed: {error}"
                raise InvalidRequest(message, param, "url_not_allowed") from error
            except RequestFailed as error:
                message = f"{param} could not be fetched: {error}; send the {kind.noun} as a file, or another link"
                raise InvalidRequest(message, param, kind.fetch_failed) from error
