"""The webhook endpoints of the caller."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Unpack

from easyanimate_client import bodies
from easyanimate_client._async.http import AsyncHttp
from easyanimate_client._async.pages import pages
from easyanimate_client.error_codes import WebhookEndpointNotFound
from easyanimate_client.inputs import Body, route
from easyanimate_client.options import Call
from easyanimate_client.records import (
    EventTypeList,
    WebhookEndpoint,
    WebhookEndpointDeleted,
    WebhookEndpointList,
    WebhookEndpointTest,
    WebhookEndpointWithSecret,
)


class AsyncWebhookEndpoints:
    """Subscribes URLs to the events of all videos. Each method can raise ApiError and ConnectionFailed."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(self, **fields: Unpack[bodies.CreateWebhookEndpointFields]) -> WebhookEndpointWithSecret:
        """Creates an endpoint. Its `signing_secret` is shown here only."""
        return await self._http.record(WebhookEndpointWithSecret, _post(route("/v1/webhook_endpoints"), fields))

    async def retrieve(self, endpoint_id: str) -> WebhookEndpoint:
        """An endpoint with the results of its last deliveries."""
        return await self._http.record(WebhookEndpoint, Call("GET", route("/v1/webhook_endpoints/{}", endpoint_id)))

    def list(self, *, limit: int | None = None, after: str | None = None) -> AsyncIterator[WebhookEndpoint]:
        """All endpoints, newest first; `limit` is the number per page."""
        params = {"limit": limit, "after": after}
        return pages(self._http, WebhookEndpointList, route("/v1/webhook_endpoints"), params)

    async def update(self, endpoint_id: str, **fields: Unpack[bodies.UpdateWebhookEndpointFields]) -> WebhookEndpoint:
        """Changes the fields that are sent."""
        call = _post(route("/v1/webhook_endpoints/{}", endpoint_id), fields, is_repeatable=True)
        return await self._http.record(WebhookEndpoint, call)

    async def delete(self, endpoint_id: str) -> WebhookEndpointDeleted:
        """Deletes an endpoint and its pending deliveries."""
        try:
            call = Call("DELETE", route("/v1/webhook_endpoints/{}", endpoint_id))
            return await self._http.record(WebhookEndpointDeleted, call)
        except WebhookEndpointNotFound as error:
            if error.tries > 1:  # the first try has deleted it, and its answer was lost
                return WebhookEndpointDeleted(id=endpoint_id, object="webhook_endpoint.deleted", deleted=True)
            raise

    async def rotate_secret(
        self, endpoint_id: str, **fields: Unpack[bodies.RotateWebhookSecretFields]
    ) -> WebhookEndpointWithSecret:
        """Creates a new secret, which is shown here only."""
        call = _post(route("/v1/webhook_endpoints/{}/rotate_secret", endpoint_id), fields)
        return await self._http.record(WebhookEndpointWithSecret, call)

    async def test(self, endpoint_id: str, **fields: Unpack[bodies.TestWebhookEndpointFields]) -> WebhookEndpointTest:
        """Sends a signed sample and returns the answer of the receiver. Raises WebhookUnreachable."""
        return await self._http.record(
            WebhookEndpointTest, _post(route("/v1/webhook_endpoints/{}/test", endpoint_id), fields)
        )

    async def event_types(self) -> EventTypeList:
        """The types of events that an endpoint can subscribe to."""
        return await self._http.record(EventTypeList, Call("GET", route("/v1/webhook_event_types")))


def _post(path: str, fields: Mapping[str, Any], *, is_repeatable: bool = False) -> Call:
    return Call("POST", path, body=Body(fields).options(), is_repeatable=is_repeatable)
