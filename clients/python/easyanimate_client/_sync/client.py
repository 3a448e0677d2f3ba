"""The client with all its resources."""

from typing import Self

import httpx

from easyanimate_client._sync.files import Files
from easyanimate_client._sync.http import Http
from easyanimate_client._sync.models import Models
from easyanimate_client._sync.videos import Videos
from easyanimate_client._sync.webhook_endpoints import WebhookEndpoints
from easyanimate_client.options import client_options


class EasyAnimate:
    """A client of one service.

    `base_url` is its address with or without `/v1`; the default is EASYANIMATE_URL or http://127.0.0.1:8000. `api_key`
    is by default EASYANIMATE_API_KEY. `timeout_s` limits one request, `max_retries` the repetitions of each. A
    `http_client` of yours may have its own proxies or certificates; you close it yourself.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        max_retries: int = 4,
        http_client: httpx.Client | None = None,
    ) -> None:
        self._http = Http(client_options(base_url, api_key, timeout_s, max_retries), http_client)
        self.videos = Videos(self._http)
        self.files = Files(self._http)
        self.webhook_endpoints = WebhookEndpoints(self._http)
        self.models = Models(self._http)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()
