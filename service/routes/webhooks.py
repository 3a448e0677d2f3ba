"""The routes of `/v1/webhook_endpoints`: where a caller wants to hear of all videos. OpenAI's client speaks them."""

import secrets
import time
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request

from jobs.errors import EndpointNotFound, InvalidRequest
from jobs.model.delivery import Delivery
from jobs.model.request import DEFAULT_WEBHOOK_EVENTS, WEBHOOK_EVENTS
from jobs.outbound_http import AddressBlocked, RequestFailed
from jobs.webhooks.endpoints import OLD_SECRET_S, Endpoint, new_endpoint_id, new_secret
from jobs.webhooks.payload import webhook_body
from jobs.webhooks.signature import check_secret, signed_headers
from service.dependencies import BodyDep, OwnerDep, ResourcesDep
from service.http.body import Body
from service.http.errors import ApiError
from service.http.fields import Fields
from service.openapi.responses import BODY_ERRORS, KEY_ERRORS, QUERY_ERRORS, VIDEO_ERRORS, errors
from service.openapi.webhooks import example
from service.resources import Resources
from service.schemas.create import MAX_URL_CHARS
from service.schemas.webhook import (
    EventTypeList,
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
router = APIRouter(prefix="/v1", tags=["webhooks"])
deliveries_router = APIRouter(prefix="/v1/videos", tags=["webhooks"])

MAX_ENDPOINTS = 20
MAX_NAME_CHARS = 200
EVENT_TYPES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "enum": list(WEBHOOK_EVENTS)},
    "default": list(DEFAULT_WEBHOOK_EVENTS),
}
CREATE: dict[str, Any] = {
    "url": {"type": "string", "description": "A public https address."},
    "name": {"type": "string", "maxLength": MAX_NAME_CHARS, "description": "For you; the host if absent."},
    "event_types": EVENT_TYPES,
    "secret": {"type": "string", "description": "whsec_ and the base64 of 24 to 64 bytes; a fresh one if absent."},
}
UPDATE: dict[str, Any] = {
    "url": CREATE["url"],
    "name": CREATE["name"],
    "event_types": {name: value for name, value in EVENT_TYPES.items() if name != "default"},
    "enabled": {"type": "boolean", "description": "Whether anything goes there; a new url enables it, too."},
}
ROTATE: dict[str, Any] = {
    "keep_old_secret_active_for_24_hours": {
        "type": "boolean",
        "default": False,
        "description": "Sign with both for a day.",
    }
}
TEST: dict[str, Any] = {"event_type": {"type": "string", "enum": list(WEBHOOK_EVENTS), "default": "video.completed"}}
ENDPOINT_ERRORS = (*KEY_ERRORS, "webhook_endpoint_not_found")


def _json(fields: dict[str, Any], example: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}
    content = {"application/json": {"schema": schema, "examples": {"one": {"value": example}}}}
    return {"requestBody": {"required": bool(required), "content": content}}


@router.post(
    "/webhook_endpoints",
    responses=errors(*KEY_ERRORS, *BODY_ERRORS, "url_not_allowed", "too_many_endpoints"),
    openapi_extra=_json(CREATE, {"url": "https://example.com/hook", "event_types": ["video.completed"]}, "url"),
)
def create_webhook_endpoint(owner: OwnerDep, resources: ResourcesDep, body: BodyDep) -> WebhookEndpointWithSecret:
    """Hear of all your videos from now on. The secret is shown here and when it is rotated, never again."""
    fields = _fields(body, CREATE)
    url, event_types = _url(fields, resources), _event_types(fields)
    if url is None:
        raise InvalidRequest("url is missing: where webhooks shall go", "url")
    secret = fields.text("secret", 200)
    if secret is not None:
        check_secret(secret, "secret")
    if resources.endpoints.count(owner) >= MAX_ENDPOINTS:
        raise ApiError("too_many_endpoints", f"you have {MAX_ENDPOINTS} webhook endpoints already; delete one")
    now = resources.store.table.now()
    endpoint = Endpoint(
        id=new_endpoint_id(),
        owner=owner,
        name=fields.text("name", MAX_NAME_CHARS) or url.split("/")[2],
        url=url,
        event_types=event_types or DEFAULT_WEBHOOK_EVENTS,
        secret=secret or new_secret(),
        created_at=now,
        updated_at=now,
    )
    resources.endpoints.add(endpoint)
    log.info("endpoint.created", endpoint=endpoint.id, owner=owner)
    return to_endpoint_with_secret(endpoint, resources.endpoints.last_try(endpoint.id), now)


@router.get("/webhook_endpoints", responses=errors(*ENDPOINT_ERRORS, *QUERY_ERRORS))
def list_webhook_endpoints(
    request: Request,
    owner: OwnerDep,
    resources: ResourcesDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
) -> WebhookEndpointList:
    """The caller's endpoints, newest first."""
    Fields(dict(request.query_params)).refuse_unknown(("limit", "after"))
    endpoints = resources.endpoints.listed(owner)
    if after is not None:
        ids = [endpoint.id for endpoint in endpoints]
        if after not in ids:
            raise EndpointNotFound(f"there is no webhook endpoint {after[:100]!r} to go on after")
        endpoints = endpoints[ids.index(after) + 1 :]
    page = [_show(endpoint, resources) for endpoint in endpoints[:limit]]
    first, last = (page[0].id, page[-1].id) if page else (None, None)
    return WebhookEndpointList(data=page, first_id=first, last_id=last, has_more=len(endpoints) > limit)


@router.get("/webhook_event_types", responses=errors(*KEY_ERRORS))
def list_webhook_event_types(_: OwnerDep) -> EventTypeList:
    """What there is to hear of."""
    return EventTypeList(data=list(WEBHOOK_EVENTS))


@router.get("/webhook_endpoints/{endpoint_id}", responses=errors(*ENDPOINT_ERRORS))
def read_webhook_endpoint(endpoint_id: str, owner: OwnerDep, resources: ResourcesDep) -> WebhookEndpoint:
    """One endpoint: whether it is enabled, and what the last deliveries met."""
    return _show(resources.endpoints.get_owned(endpoint_id, owner), resources)


@router.post(
    "/webhook_endpoints/{endpoint_id}",
    responses=errors(*ENDPOINT_ERRORS, *BODY_ERRORS, "url_not_allowed"),
    openapi_extra=_json(UPDATE, {"enabled": True}),
)
def update_webhook_endpoint(
    endpoint_id: str, owner: OwnerDep, resources: ResourcesDep, body: BodyDep
) -> WebhookEndpoint:
    """Change what is given. What is on its way goes to the new address."""
    resources.endpoints.get_owned(endpoint_id, owner)
    fields = _fields(body, UPDATE)
    url = _url(fields, resources)
    given = {"url": url, "name": fields.text("name", MAX_NAME_CHARS), "event_types": _event_types(fields)}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    now = resources.store.table.now()
    if fields.get("enabled") is not None or url is not None:
        is_enabled = fields.flag("enabled", default=True)
        changes["disabled_at"] = None if is_enabled else now
        changes["disabled_reason"] = None if is_enabled else "its owner disabled it"
    return _show(_changed(endpoint_id, changes, now, resources), resources)


@router.delete("/webhook_endpoints/{endpoint_id}", responses=errors(*ENDPOINT_ERRORS))
def delete_webhook_endpoint(endpoint_id: str, owner: OwnerDep, resources: ResourcesDep) -> WebhookEndpointDeleted:
    """Hear of nothing more there; what is on its way is not sent."""
    resources.endpoints.remove(resources.endpoints.get_owned(endpoint_id, owner))
    log.info("endpoint.deleted", endpoint=endpoint_id, owner=owner)
    return WebhookEndpointDeleted(id=endpoint_id)


@router.post(
    "/webhook_endpoints/{endpoint_id}/rotate_secret",
    responses=errors(*ENDPOINT_ERRORS, *BODY_ERRORS),
    openapi_extra=_json(ROTATE, {"keep_old_secret_active_for_24_hours": True}),
)
def rotate_webhook_secret(
    endpoint_id: str, owner: OwnerDep, resources: ResourcesDep, body: BodyDep
) -> WebhookEndpointWithSecret:
    """A fresh secret. With `keep_old_secret_active_for_24_hours` every webhook has a signature by each meanwhile."""
    resources.endpoints.get_owned(endpoint_id, owner)
    keeps = _fields(body, ROTATE).flag("keep_old_secret_active_for_24_hours", default=False)
    now = resources.store.table.now()

    def rotate(old: Endpoint) -> Endpoint:
        kept = {"old_secret": old.secret if keeps else None, "old_secret_until": now + OLD_SECRET_S}
        return old.model_copy(update={"secret": new_secret(), "updated_at": now, **kept})

    endpoint = resources.endpoints.change(endpoint_id, rotate)
    log.info("endpoint.rotated", endpoint=endpoint_id, owner=owner)
    return to_endpoint_with_secret(endpoint, resources.endpoints.last_try(endpoint_id), now)


@router.post(
    "/webhook_endpoints/{endpoint_id}/test",
    responses=errors(*ENDPOINT_ERRORS, *BODY_ERRORS, "url_not_allowed", "webhook_unreachable", "rate_limited"),
    openapi_extra=_json(TEST, {"event_type": "video.completed"}),
)
def test_webhook_endpoint(
    endpoint_id: str, owner: OwnerDep, resources: ResourcesDep, body: BodyDep
) -> WebhookEndpointTest:
    """Send a signed sample of an event now and say what the receiver answered, whatever that was."""
    endpoint = resources.endpoints.get_owned(endpoint_id, owner)
    event_type = _fields(body, TEST).text("event_type", 100) or "video.completed"
    if event_type not in WEBHOOK_EVENTS:
        raise InvalidRequest(f"event_type must be one of {', '.join(WEBHOOK_EVENTS)}", "event_type")
    event_id, now = f"evt_test_{secrets.token_hex(12)}", time.time()
    sample = webhook_body(event_id, event_type, now, example(event_type)["data"])
    headers = signed_headers(endpoint.secrets_at(now), event_id, sample, now) | {"content-type": "application/json"}
    started = time.monotonic()
    with resources.slots.one(owner):
        try:
            answer = resources.outbound.post(endpoint.url, sample.encode(), headers)
        except AddressBlocked as error:
            raise InvalidRequest(f"{endpoint.url} must not be reached: {error}", None, "url_not_allowed") from error
        except RequestFailed as error:
            raise ApiError("webhook_unreachable", f"{endpoint.url} gave no answer: {error}") from error
    return WebhookEndpointTest(
        webhook_endpoint_id=endpoint_id,
        event_type=event_type,
        status_code=answer.status,
        duration_ms=round(1000 * (time.monotonic() - started)),
        body=answer.body,
    )


def _fields(body: Body, known: dict[str, Any]) -> Fields:
    fields = Fields(body.fields() if body.data else {})
    fields.refuse_unknown(known)
    return fields


def _url(fields: Fields, resources: Resources) -> str | None:
    url = fields.text("url", MAX_URL_CHARS)
    if url is not None:
        resources.outbound.check(url, "url")
    return url


def _event_types(fields: Fields) -> tuple[str, ...] | None:
    wanted = fields.texts("event_types", 100)
    if wanted is not None and not (wanted and {*wanted} <= {*WEBHOOK_EVENTS}):
        raise InvalidRequest(f"event_types must be some of {', '.join(WEBHOOK_EVENTS)}", "event_types")
    return None if wanted is None else tuple(dict.fromkeys(wanted))


def _changed(endpoint_id: str, changes: dict[str, Any], now: float, resources: Resources) -> Endpoint:
    """The endpoint with these changes, which count as one only if they change something."""

    def change(endpoint: Endpoint) -> Endpoint:
        changed = endpoint.model_copy(update=changes)
        return changed if changed == endpoint else changed.model_copy(update={"updated_at": now})

    return resources.endpoints.change(endpoint_id, change)


def _show(endpoint: Endpoint, resources: Resources) -> WebhookEndpoint:
    return to_endpoint(endpoint, resources.endpoints.last_try(endpoint.id), time.time())


@deliveries_router.get("/{video_id}/deliveries", responses=errors(*VIDEO_ERRORS))
def list_deliveries(video_id: str, owner: OwnerDep, resources: ResourcesDep) -> WebhookDeliveryList:
    """Every webhook about a video with all its tries, oldest first. Progress is not kept."""
    job = resources.store.get_owned(video_id, owner)
    return WebhookDeliveryList(data=_shown(resources, resources.deliveries.of_job(job.id)))


@deliveries_router.post(
    "/{video_id}/deliveries/{delivery_id}/redeliver",
    responses=errors(*VIDEO_ERRORS, "delivery_not_found", "webhook_endpoint_not_found", "webhook_endpoint_disabled"),
)
def redeliver(video_id: str, delivery_id: str, owner: OwnerDep, resources: ResourcesDep) -> WebhookDelivery:
    """Send the same event once more, at once, and if need be as often as a new one. It keeps its `webhook_id`."""
    job = resources.store.get_owned(video_id, owner)
    delivery = resources.deliveries.get(job.id, delivery_id)
    if delivery.endpoint_id and resources.endpoints.get_owned(delivery.endpoint_id, owner).disabled_at is not None:
        message = f"{delivery.endpoint_id} is disabled; POST it with enabled true before you redeliver"
        raise ApiError("webhook_endpoint_disabled", message)
    resources.deliveries.redeliver(delivery, resources.store.table.now())
    return _shown(resources, [resources.deliveries.get(job.id, delivery_id)])[0]


def _shown(resources: Resources, found: list[Delivery]) -> list[WebhookDelivery]:
    tries = resources.deliveries.tries(found)
    next_tries = resources.deliveries.next_tries(found)
    return [to_delivery(*facts) for facts in zip(found, tries, next_tries, strict=True)]
