"""Webhook endpoints and deliveries: request bodies and responses. A secret is shown only when it is created."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from jobs.model.delivery import STATUSES, Delivery, Try
from jobs.model.request import DEFAULT_WEBHOOK_EVENTS, EventType
from jobs.webhooks.endpoints import Endpoint, LastDelivery
from service.schemas.pages import ListPage
from service.schemas.request_model import Flag, RequestModel
from service.schemas.requests.field_types import Events, Secret, Url
from service.schemas.video import UnixSeconds

MAX_ENDPOINT_NAME_CHARS = 200
EndpointName = Annotated[str, Field(max_length=MAX_ENDPOINT_NAME_CHARS)]


class CreateEndpoint(RequestModel):
    """The body of a new webhook endpoint."""

    url: Url = Field(description="A public https address.")
    name: EndpointName | None = Field(None, description="A name for you; the host if absent.")
    event_types: Events = Field(DEFAULT_WEBHOOK_EVENTS, json_schema_extra={"minItems": 1})
    secret: Secret | None = Field(None, description="whsec_ and the base64 of 24 to 64 bytes; a new one if absent.")


class UpdateEndpoint(RequestModel):
    """The fields of a webhook endpoint to change."""

    url: Url | None = Field(None, description="A public https address.")
    name: EndpointName | None = Field(None, description="A name for you; the host if absent.")
    event_types: Events | None = Field(None, json_schema_extra={"minItems": 1})
    enabled: Flag | None = Field(None, description="Whether events are sent there; a new url enables it, too.")


class RotateSecret(RequestModel):
    """The body of a rotation of an endpoint's secret."""

    keep_old_secret_active_for_24_hours: Flag = Field(False, description="Sign with both secrets for a day.")


class TestEndpoint(RequestModel):
    """The body of a test of an endpoint."""

    event_type: Annotated[EventType, BeforeValidator(lambda value: value or "video.completed")] = "video.completed"


class WebhookEndpoint(BaseModel):
    """A webhook endpoint: OpenAI's fields and those of this service. Times are unix seconds.

    A `disabled` endpoint receives nothing, for `disabled_reason`. The `last_` fields describe the last deliveries.
    """

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    name: str
    url: str
    event_types: list[str]
    signing_secret_hint: str
    created_at: UnixSeconds
    updated_at: UnixSeconds
    status: Literal["enabled", "disabled"]
    disabled_at: UnixSeconds | None
    disabled_reason: str | None
    old_secret_expires_at: UnixSeconds | None
    last_answer: str | None
    last_success_at: UnixSeconds | None
    last_failure_at: UnixSeconds | None


class WebhookEndpointWithSecret(WebhookEndpoint):
    """A webhook endpoint with its secret, which is shown once."""

    signing_secret: str


class WebhookEndpointList(ListPage):
    """One page of the caller's endpoints."""

    data: list[WebhookEndpoint]


class WebhookEndpointDeleted(BaseModel):
    """The confirmation of a deletion."""

    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: Literal[True] = True


class WebhookEndpointTest(BaseModel):
    """The receiver's response to a sample event."""

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: str
    success: Literal[True] = True
    status_code: int
    duration_ms: int
    body: str


class EventTypeList(BaseModel):
    """The event types that endpoints can subscribe to."""

    object: Literal["list"] = "list"
    data: list[str]


class WebhookDelivery(BaseModel):
    """The delivery of one event to one receiver. Times are unix seconds; `webhook_id` is the id in its header.

    `webhook_endpoint_id` is null where the video's request named the receiver. `status`: pending, delivered, refused
    (by 410, or the endpoint was deleted), exhausted (ten attempts failed).
    """

    id: str
    object: Literal["webhook_delivery"] = "webhook_delivery"
    webhook_id: str
    type: str
    webhook_endpoint_id: str | None
    status: Annotated[str, Field(json_schema_extra={"enum": [*STATUSES]})]
    created_at: float
    next_try_at: float | None
    tries: list[Try]


class WebhookDeliveryList(ListPage):
    """One page of the deliveries about a video, oldest first."""

    data: list[WebhookDelivery]


def to_endpoint(endpoint: Endpoint, last: LastDelivery, now: float) -> WebhookEndpoint:
    """The response for an endpoint, without its secret."""
    return WebhookEndpoint(**_fields(endpoint, last, now))


def to_endpoint_with_secret(endpoint: Endpoint, last: LastDelivery, now: float) -> WebhookEndpointWithSecret:
    """The response for a new endpoint or secret."""
    return WebhookEndpointWithSecret(**_fields(endpoint, last, now), signing_secret=endpoint.secret)


def to_delivery(delivery: Delivery, tries: list[Try], next_try_at: float | None) -> WebhookDelivery:
    """The response for a delivery."""
    return WebhookDelivery(
        webhook_id=delivery.event_id,
        webhook_endpoint_id=delivery.endpoint_id or None,
        next_try_at=next_try_at if delivery.status == "pending" else None,
        tries=tries,
        **delivery.model_dump(include={"id", "type", "status", "created_at"}),
    )


def _fields(endpoint: Endpoint, last: LastDelivery, now: float) -> dict[str, Any]:
    return {
        **endpoint.model_dump(exclude={"owner", "secret", "old_secret", "old_secret_until"}),
        **last.model_dump(),
        "signing_secret_hint": f"whsec_…{endpoint.secret[-4:]}",
        "status": "enabled" if endpoint.disabled_at is None else "disabled",
        "old_secret_expires_at": endpoint.old_secret_until if len(endpoint.secrets_at(now)) > 1 else None,
    }
