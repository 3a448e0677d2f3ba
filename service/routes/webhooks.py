"""The routes of webhook endpoints and deliveries; OpenAI's client works with the former."""

import secrets
import time
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request

from jobs.errors import InvalidRequest
from jobs.model.delivery import Delivery
from jobs.model.request import WEBHOOK_EVENTS
from jobs.outbound_http import AddressBlocked, RequestFailed
from jobs.webhooks.endpoints import OLD_SECRET_S, Endpoint, new_endpoint_id, new_secret
from jobs.webhooks.outbox import webhook_body
from jobs.webhooks.signature import check_secret, signed_headers
from service.dependencies import JobDep, OptionalBodyDep, OwnerDep, ResourcesDep
from service.http.errors import ApiError
from service.http.fields import check_query, validate
from service.openapi.request_bodies import json_body
from service.openapi.responses import BODY_ERRORS, KEY_ERRORS, QUERY_ERRORS, VIDEO_ERRORS, errors
from service.openapi.webhooks import example
from service.resources import Resources
from service.routes.durable_route import DurableRoute, undo_if_not_durable
from service.schemas.pages import After, empty_as, entries_after
from service.schemas.webhook import (
    CreateEndpoint,
    EventTypeList,
    RotateSecret,
    TestEndpoint,
    UpdateEndpoint,
    WebhookDelivery,
    WebhookDeliveryList,
    WebhookEndpoint,
    WebhookEndpointDeleted,
    WebhookEndpointList,
    WebhookEndpointTest,
    WebhookEndpointWithSecret,
    to_delivery,
    to_endpoint,
    to_endpoint_with_secret,
)

log = structlog.get_logger()
router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=DurableRoute)
test_router = APIRouter(prefix="/v1", tags=["webhooks"])  # its route changes nothing
deliveries_router = APIRouter(prefix="/v1/videos", tags=["webhooks"], route_class=DurableRoute)

MAX_ENDPOINTS = 20
MAX_PAGE = 1000
PAGE_PARAMETERS = ("limit", "after")
ENDPOINT_ERRORS = (*KEY_ERRORS, "webhook_endpoint_not_found")


@router.post(
    "/webhook_endpoints",
    responses=errors(*KEY_ERRORS, *BODY_ERRORS, "url_not_allowed", "too_many_endpoints", "not_durable"),
    openapi_extra=json_body(CreateEndpoint, {"url": "https://example.com/hook", "event_types": ["video.completed"]}),
)
def create_webhook_endpoint(
    request: Request, owner: OwnerDep, resources: ResourcesDep, fields: OptionalBodyDep
) -> WebhookEndpointWithSecret:
    """Subscribes a URL to the events of all your videos. The secret is shown only here and when it is rotated."""
    body = validate(CreateEndpoint, fields)
    resources.outbound.check(body.url, "url")
    if body.secret is not None:
        check_secret(body.secret, "secret")
    if resources.endpoints.count(owner) >= MAX_ENDPOINTS:
        raise ApiError("too_many_endpoints", f"you have {MAX_ENDPOINTS} webhook endpoints, the maximum; delete one")
    now = resources.store.table.now()
    endpoint = Endpoint(
        id=new_endpoint_id(),
        owner=owner,
        name=body.name or body.url.split("/")[2],
        url=body.url,
        event_types=body.event_types,
        secret=body.secret or new_secret(),
        created_at=now,
        updated_at=now,
    )
    resources.endpoints.add(endpoint)
    undo_if_not_durable(request, lambda: resources.endpoints.remove(endpoint))
    log.info("endpoint.created", endpoint=endpoint.id, owner=owner)
    return to_endpoint_with_secret(endpoint, resources.endpoints.last_try(endpoint.id), now)


@router.get("/webhook_endpoints", responses=errors(*ENDPOINT_ERRORS, *QUERY_ERRORS))
def list_webhook_endpoints(
    request: Request,
    owner: OwnerDep,
    resources: ResourcesDep,
    limit: Annotated[int, empty_as(20), Query(ge=1, le=100)] = 20,
    after: After = None,
) -> WebhookEndpointList:
    """Lists the caller's endpoints, newest first."""
    check_query(request.query_params, PAGE_PARAMETERS)
    cursor = None if after is None else resources.endpoints.place(owner, after)
    endpoints = entries_after(resources.endpoints.listed(owner), cursor)
    page = [_endpoint_response(endpoint, resources) for endpoint in endpoints[:limit]]
    return WebhookEndpointList.of(page, has_more=len(endpoints) > limit)


@router.get("/webhook_event_types", responses=errors(*KEY_ERRORS))
def list_webhook_event_types(_: OwnerDep) -> EventTypeList:
    """Lists the event types that endpoints can subscribe to."""
    return EventTypeList(data=list(WEBHOOK_EVENTS))


@router.get("/webhook_endpoints/{endpoint_id}", responses=errors(*ENDPOINT_ERRORS))
def read_webhook_endpoint(endpoint_id: str, owner: OwnerDep, resources: ResourcesDep) -> WebhookEndpoint:
    """Returns one endpoint, with its state and the results of the last deliveries."""
    return _endpoint_response(resources.endpoints.get_owned(endpoint_id, owner), resources)


@router.post(
    "/webhook_endpoints/{endpoint_id}",
    responses=errors(*ENDPOINT_ERRORS, *BODY_ERRORS, "url_not_allowed", "not_durable"),
    openapi_extra=json_body(UpdateEndpoint, {"enabled": True}),
)
def update_webhook_endpoint(
    endpoint_id: str, owner: OwnerDep, resources: ResourcesDep, fields: OptionalBodyDep
) -> WebhookEndpoint:
    """Changes the fields that are sent. Pending deliveries go to the new URL."""
    resources.endpoints.get_owned(endpoint_id, owner)
    body = validate(UpdateEndpoint, fields)
    changes = body.model_dump(exclude_unset=True, exclude={"enabled"})
    if body.url is not None:
        resources.outbound.check(body.url, "url")
    now = resources.store.table.now()
    if body.enabled is not None or body.url is not None:
        changes["disabled_at"] = now if body.enabled is False else None
        changes["disabled_reason"] = "its owner disabled it" if body.enabled is False else None
    return _endpoint_response(_changed(endpoint_id, changes, now, resources), resources)


@router.delete("/webhook_endpoints/{endpoint_id}", responses=errors(*ENDPOINT_ERRORS, "not_durable"))
def delete_webhook_endpoint(endpoint_id: str, owner: OwnerDep, resources: ResourcesDep) -> WebhookEndpointDeleted:
    """Deletes an endpoint; its pending deliveries are not sent."""
    resources.endpoints.remove(resources.endpoints.get_owned(endpoint_id, owner))
    log.info("endpoint.deleted", endpoint=endpoint_id, owner=owner)
    return WebhookEndpointDeleted(id=endpoint_id)


@router.post(
    "/webhook_endpoints/{endpoint_id}/rotate_secret",
    responses=errors(*ENDPOINT_ERRORS, *BODY_ERRORS, "not_durable"),
    openapi_extra=json_body(RotateSecret, {"keep_old_secret_active_for_24_hours": True}),
)
def rotate_webhook_secret(
    endpoint_id: str, request: Request, owner: OwnerDep, resources: ResourcesDep, fields: OptionalBodyDep
) -> WebhookEndpointWithSecret:
    """Creates a new secret. With `keep_old_secret_active_for_24_hours`, the old one also signs for that time."""
    before = resources.endpoints.get_owned(endpoint_id, owner)
    keeps_old = validate(RotateSecret, fields).keep_old_secret_active_for_24_hours
    now = resources.store.table.now()

    def rotate(old: Endpoint) -> Endpoint:
        previous = {"old_secret": old.secret if keeps_old else None, "old_secret_until": now + OLD_SECRET_S}
        return old.model_copy(update={"secret": new_secret(), "updated_at": now, **previous})

    endpoint = resources.endpoints.change(endpoint_id, rotate)
    undo_if_not_durable(request, lambda: _restore_secret(before, endpoint, resources))
    log.info("endpoint.rotated", endpoint=endpoint_id, owner=owner)
    return to_endpoint_with_secret(endpoint, resources.endpoints.last_try(endpoint_id), now)


@test_router.post(
    "/webhook_endpoints/{endpoint_id}/test",
    responses=errors(*ENDPOINT_ERRORS, *BODY_ERRORS, "url_not_allowed", "webhook_unreachable", "rate_limited"),
    openapi_extra=json_body(TestEndpoint, {"event_type": "video.completed"}),
)
def test_webhook_endpoint(
    endpoint_id: str, owner: OwnerDep, resources: ResourcesDep, fields: OptionalBodyDep
) -> WebhookEndpointTest:
    """Sends a signed sample event now and returns the receiver's response of any status."""
    endpoint = resources.endpoints.get_owned(endpoint_id, owner)
    event_type = validate(TestEndpoint, fields).event_type
    event_id, now = f"evt_test_{secrets.token_hex(12)}", time.time()
    sample = webhook_body(event_id, event_type, now, example(event_type)["data"])
    headers = signed_headers(endpoint.secrets_at(now), event_id, sample, now) | {"content-type": "application/json"}
    started = time.monotonic()
    with resources.concurrency.slot(owner):
        try:
            response = resources.outbound.post(endpoint.url, sample.encode(), headers)
        except AddressBlocked as error:
            raise InvalidRequest(f"{endpoint.url} is not allowed: {error}", None, "url_not_allowed") from error
        except RequestFailed as error:
            raise ApiError("webhook_unreachable", f"{endpoint.url} did not respond: {error}") from error
    return WebhookEndpointTest(
        webhook_endpoint_id=endpoint_id,
        event_type=event_type,
        status_code=response.status,
        duration_ms=round(1000 * (time.monotonic() - started)),
        body=response.body,
    )


def _changed(endpoint_id: str, changes: dict[str, Any], now: float, resources: Resources) -> Endpoint:
    """The endpoint with these changes; `updated_at` changes only if another field does."""

    def change(endpoint: Endpoint) -> Endpoint:
        changed = endpoint.model_copy(update=changes)
        return changed if changed == endpoint else changed.model_copy(update={"updated_at": now})

    return resources.endpoints.change(endpoint_id, change)


def _restore_secret(before: Endpoint, rotated: Endpoint, resources: Resources) -> None:
    """Restores the secrets of an endpoint, unless it was rotated again."""
    secrets_before = before.model_dump(include={"secret", "old_secret", "old_secret_until"})

    def restore(current: Endpoint) -> Endpoint:
        return current.model_copy(update=secrets_before) if current.secret == rotated.secret else current

    resources.endpoints.change(rotated.id, restore)


def _endpoint_response(endpoint: Endpoint, resources: Resources) -> WebhookEndpoint:
    return to_endpoint(endpoint, resources.endpoints.last_try(endpoint.id), resources.clock.estimate())


@deliveries_router.get("/{video_id}/deliveries", responses=errors(*VIDEO_ERRORS, *QUERY_ERRORS, "delivery_not_found"))
def list_deliveries(
    request: Request,
    job: JobDep,
    resources: ResourcesDep,
    limit: Annotated[int, empty_as(MAX_PAGE), Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    after: After = None,
) -> WebhookDeliveryList:
    """Lists the deliveries about a video with their attempts, oldest first. Progress events are not recorded."""
    check_query(request.query_params, PAGE_PARAMETERS)
    deliveries = resources.deliveries.of_job(job.id, after)
    page = _delivery_responses(resources, deliveries[:limit])
    return WebhookDeliveryList.of(page, has_more=len(deliveries) > limit)


@deliveries_router.post(
    "/{video_id}/deliveries/{delivery_id}/redeliver",
    responses=errors(
        *VIDEO_ERRORS, "delivery_not_found", "webhook_endpoint_not_found", "webhook_endpoint_disabled", "not_durable"
    ),
)
def redeliver(video_id: str, delivery_id: str, owner: OwnerDep, resources: ResourcesDep) -> WebhookDelivery:
    """Sends the same event again at once, with the retries of a new one. It keeps its `webhook_id`."""
    job = resources.store.get_owned(video_id, owner)
    delivery = resources.deliveries.get(job.id, delivery_id)
    if delivery.endpoint_id and resources.endpoints.get_owned(delivery.endpoint_id, owner).disabled_at is not None:
        message = f"{delivery.endpoint_id} is disabled; POST it with enabled true before you redeliver"
        raise ApiError("webhook_endpoint_disabled", message)
    resources.deliveries.redeliver(delivery, resources.store.table.now())
    return _delivery_responses(resources, [resources.deliveries.get(job.id, delivery_id)])[0]


def _delivery_responses(resources: Resources, deliveries: list[Delivery]) -> list[WebhookDelivery]:
    tries = resources.deliveries.tries(deliveries)
    next_tries = resources.deliveries.next_tries(deliveries)
    return [to_delivery(*row) for row in zip(deliveries, tries, next_tries, strict=True)]
