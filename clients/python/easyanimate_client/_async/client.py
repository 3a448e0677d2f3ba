"""The client with all its resources."""

from typing import Self

import httpx

from easyanimate_client._async.files import AsyncFiles
from easyanimate_client._async.http import AsyncHttp
from easyanimate_client._async.models import AsyncModels
from easyanimate_client._async.videos import AsyncVideos
from easyanimate_client._async.webhook_endpoints import AsyncWebhookEndpoints
from easyanimate_client.options import client_options


class AsyncEasyAnimate:
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
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._http = AsyncHttp(client_options(base_url, api_key, timeout_s, max_retries), http_client)
        self.videos = AsyncVideos(self._http)
        self.files = AsyncFiles(self._http)
        self.webhook_endpoints = AsyncWebhookEndpoints(self._http)
        self.models = AsyncModels(self._http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
