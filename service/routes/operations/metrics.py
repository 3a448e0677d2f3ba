"""The route that Prometheus scrapes."""

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.dependencies import ResourcesDep
from service.metrics import InstallationCollector
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
    """Metrics of this process and of the whole installation, in Prometheus' text format."""
    resources.metrics.waiting.labels("news").set(resources.notifications.waiting)
    text = await run_in_threadpool(_exposition, resources)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _exposition(resources: Resources) -> bytes:
    installation = CollectorRegistry()
    installation.register(InstallationCollector(resources.store.table, resources.writable))
    return generate_latest(resources.metrics.registry) + generate_latest(installation)
