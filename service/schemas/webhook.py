"""What a caller sees of webhooks: endpoints, and the ledger of deliveries. Secrets are shown when they are made."""

from typing import Any, Literal

from pydantic import BaseModel

from jobs.model.delivery import Delivery, Status, Try
from jobs.webhooks.endpoints import Endpoint, LastDelivery


class WebhookEndpoint(BaseModel):
    """A standing endpoint: OpenAI's keys, and ours beside them. Times are unix seconds.

    A `disabled` one gets nothing; `disabled_reason` says why. The `last_` ones tell what the last deliveries met.
    """

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    name: str
    url: str
    event_types: list[str]
    signing_secret_hint: str
    created_at: int
    updated_at: int
    status: Literal["enabled", "disabled"]
    disabled_at: int | None
    disabled_reason: str | None
    old_secret_expires_at: int | None
    last_answer: str | None
    last_success_at: int | None
    last_failure_at: int | None


class WebhookEndpointWithSecret(WebhookEndpoint):
    """The same with its secret, which is shown once."""

    signing_secret: str


class WebhookEndpointList(BaseModel):
    """One page of the caller's endpoints."""

    object: Literal["list"] = "list"
    data: list[WebhookEndpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool


class WebhookEndpointDeleted(BaseModel):
    """What is left of a deleted endpoint."""

    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: Literal[True] = True


class WebhookEndpointTest(BaseModel):
    """What the receiver answered to a sample event."""

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: str
    success: Literal[True] = True
    status_code: int
    duration_ms: int
    body: str


class EventTypeList(BaseModel):
    """What there is to hear of."""

    object: Literal["list"] = "list"
    data: list[str]


class WebhookDelivery(BaseModel):
    """One event on its way to one receiver. Times are unix seconds; `webhook_id` is what the receiver sees.

    `webhook_endpoint_id` is null where the request itself named the receiver. `status`: pending, delivered, refused (it
    said 410, or nobody wants it any more), exhausted (ten tries failed).
    """

    id: str
    object: Literal["webhook_delivery"] = "webhook_delivery"
    webhook_id: str
    type: str
    webhook_endpoint_id: str | None
    status: Status
    created_at: float
    next_try_at: float | None
    tries: list[Try]


class WebhookDeliveryList(BaseModel):
    """Everything that was told of a video, or is to be, oldest first."""

    object: Literal["list"] = "list"
    data: list[WebhookDelivery]


def to_endpoint(endpoint: Endpoint, last: LastDelivery, now: float) -> WebhookEndpoint:
    """The endpoint as its caller sees it, without its secret."""
    return WebhookEndpoint(**_facts(endpoint, last, now))


def to_endpoint_with_secret(endpoint: Endpoint, last: LastDelivery, now: float) -> WebhookEndpointWithSecret:
    """The endpoint with its secret, for the moment it is made."""
    return WebhookEndpointWithSecret(**_facts(endpoint, last, now), signing_secret=endpoint.secret)


def to_delivery(delivery: Delivery, tries: list[Try], next_try_at: float | None) -> WebhookDelivery:
    """The row of the ledger as its caller sees it."""
    return WebhookDelivery(
        id=delivery.id,
        webhook_id=delivery.event_id,
        type=delivery.type,
        webhook_endpoint_id=delivery.endpoint_id or None,
        status=delivery.status,
        created_at=delivery.created_at,
        next_try_at=next_try_at if delivery.status == "pending" else None,
        tries=tries,
    )


def _facts(endpoint: Endpoint, last: LastDelivery, now: float) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "signing_secret_hint": f"whsec_…{endpoint.secret[-4:]}",
        "created_at": int(endpoint.created_at),
        "updated_at": int(endpoint.updated_at),
        "status": "enabled" if endpoint.disabled_at is None else "disabled",
        "disabled_at": _whole(endpoint.disabled_at),
        "disabled_reason": endpoint.disabled_reason,
        "old_secret_expires_at": int(endpoint.old_secret_until) if len(endpoint.secrets_at(now)) > 1 else None,
        "last_answer": last.last_answer,
        "last_success_at": _whole(last.last_success_at),
        "last_failure_at": _whole(last.last_failure_at),
    }


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
