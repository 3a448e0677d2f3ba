"""Files that a request names by their address: fetched before the job is accepted, a few at a time.

Only `jobs/outbound_http.py` reaches out, so no address leads into a private network, by whatever name or redirect.
"""

from jobs.errors import InvalidRequest
from jobs.outbound_http import AddressBlocked, OutboundClient, RequestFailed
from service.inputs.concurrency import ConcurrencyLimiter
from service.inputs.kinds import InputKind

MAX_URL_CHARS = 2048


class RemoteFetcher:
    """Fetches callers' files through `outbound`. `limit_bytes` is the largest one."""

    def __init__(self, outbound: OutboundClient, limit_bytes: int, slots: ConcurrencyLimiter) -> None:
        self.outbound = outbound
        self.limit_bytes = limit_bytes
        self.slots = slots

    def fetch(self, owner: str, url: str, param: str, kind: InputKind) -> bytes:
        """What lies at `url`. Raises InvalidRequest `url_not_allowed` or the kind's code, ApiError `rate_limited`."""
        if len(url) > MAX_URL_CHARS:
            raise InvalidRequest(f"{param} has {len(url)} characters; at most {MAX_URL_CHARS} work", param)
        with self.slots.one(owner):
            self.outbound.check(url, param)
            try:
                return self.outbound.fetch(url, self.limit_bytes)
            except AddressBlocked as error:
                message = f"{param} leads to where this service must not go: {error}"
                raise InvalidRequest(message, param, "url_not_allowed") from error
            except RequestFailed as error:
                message = f"{param} could not be fetched: {error}; send the {kind.noun} as a file, or another link"
                raise InvalidRequest(message, param, kind.fetch_failed) from error
