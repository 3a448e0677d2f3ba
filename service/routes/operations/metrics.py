"""The route that Prometheus reads."""

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.dependencies import PartsDep
from service.metrics import Installation
from service.openapi.responses import errors
from service.resources import Parts

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **errors(),
    },
)
async def read_metrics(parts: PartsDep) -> Response:
    """The counts of this process and the state of the installation, in Prometheus' text format."""
    parts.metrics.waiting.labels("news").set(parts.news.waiting)
    parts.metrics.waiting.labels("events").set(parts.feeds.listeners)
    text = await run_in_threadpool(_written, parts)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _written(parts: Parts) -> bytes:
    whole = CollectorRegistry()
    whole.register(Installation(parts.store))
    return generate_latest(parts.metrics.registry) + generate_latest(whole)
