"""Options of a client, and one request of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

API_PATH = "/v1"
DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_TIMEOUT_S = 10.0
STREAM_TIMEOUT_S = 45.0  # an event stream has a comment each 15 s


@dataclass(frozen=True)
class ClientOptions:
    """Address, key and limits of a client. `url` may have a path and ends without a slash."""

    url: str
    api_key: str | None
    timeout_s: float
    max_retries: int

    @property
    def is_local(self) -> bool:
        """Whether the service is on this machine, which no proxy of the environment can reach."""
        host = (urlsplit(self.url).hostname or "").rstrip(".")
        try:
            return ip_address(host.partition("%")[0]).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    def headers(self) -> dict[str, str]:
        """The headers of each request."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True)
class Call:
    """One request. `body` has the arguments of httpx for it. `is_repeatable`: a second execution changes nothing."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None
    is_repeatable: bool = True


def client_options(base_url: str | None, api_key: str | None, timeout_s: float, max_retries: int) -> ClientOptions:
    """The options of a client; the environment has the address and the key if they are absent."""
    url = base_url or os.environ.get("EASYANIMATE_URL") or DEFAULT_URL
    key = api_key if api_key is not None else os.environ.get("EASYANIMATE_API_KEY")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"base_url must begin with http:// or https://, got {url!r}")
    if max_retries < 0:
        raise ValueError("max_retries must be 0 or more")
    return ClientOptions(_without_api_path(url), key or None, timeout_s, max_retries)


def _without_api_path(url: str) -> str:
    """The address without `/v1` and slashes at its end, as other clients of the Videos API have it in theirs."""
    return url.rstrip("/").removesuffix(API_PATH).rstrip("/")
