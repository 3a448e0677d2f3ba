"""The route that Prometheus reads."""

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.dependencies import ResourcesDep
from service.metrics import Installation
from service.openapi.responses import errors
from service.resources import Resources

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **errors(),
    },
)
async def read_metrics(resources: ResourcesDep) -> Response:
    """The counts of this process and the state of the installation, in Prometheus' text format."""
    resources.metrics.waiting.labels("news").set(resources.news.waiting)
    resources.metrics.waiting.labels("events").set(resources.feeds.listeners)
    text = await run_in_threadpool(_written, resources)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _written(resources: Resources) -> bytes:
    whole = CollectorRegistry()
    whole.register(Installation(resources.store))
    return generate_latest(resources.metrics.registry) + generate_latest(whole)
