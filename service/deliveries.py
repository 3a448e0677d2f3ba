"""The routes of a video's webhook ledger: what was sent where, what came back, and once more."""

from fastapi import APIRouter

from jobs.delivery import Delivery
from service.openapi import errors
from service.parts import OwnerDep, Parts, PartsDep
from service.problems import Problem
from service.webhook_views import WebhookDelivery, WebhookDeliveryList, show_delivery

router = APIRouter(prefix="/v1/videos", tags=["webhooks"])

OF_ALL = ("invalid_api_key", "video_not_found", "queue_unavailable")


@router.get("/{video_id}/deliveries", responses=errors(*OF_ALL))
def list_deliveries(video_id: str, owner: OwnerDep, parts: PartsDep) -> WebhookDeliveryList:
    """Every webhook about a video with all its tries, oldest first. Progress is not kept."""
    job = parts.store.get_owned(video_id, owner)
    return WebhookDeliveryList(data=_shown(parts, parts.deliveries.of_job(job.id)))


@router.post(
    "/{video_id}/deliveries/{delivery_id}/redeliver",
    responses=errors(*OF_ALL, "delivery_not_found", "webhook_endpoint_not_found", "webhook_endpoint_disabled"),
)
def redeliver(video_id: str, delivery_id: str, owner: OwnerDep, parts: PartsDep) -> WebhookDelivery:
    """Send the same event once more, at once, and if need be as often as a new one. It keeps its `webhook_id`."""
    job = parts.store.get_owned(video_id, owner)
    delivery = parts.deliveries.get(job.id, delivery_id)
    if delivery.endpoint_id and parts.endpoints.get_owned(delivery.endpoint_id, owner).disabled_at is not None:
        message = f"{delivery.endpoint_id} is disabled; POST it with enabled true before you redeliver"
        raise Problem("webhook_endpoint_disabled", message)
    parts.deliveries.redeliver(delivery, parts.store.now())
    return _shown(parts, [parts.deliveries.get(job.id, delivery_id)])[0]


def _shown(parts: Parts, found: list[Delivery]) -> list[WebhookDelivery]:
    tries = parts.deliveries.tries(found)
    next_tries = parts.deliveries.next_tries(found)
    return [show_delivery(*facts) for facts in zip(found, tries, next_tries, strict=True)]
