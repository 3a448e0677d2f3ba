"""The front end put together: routes, what surrounds every request, and how errors are answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service import (
    ask,
    attempts,
    deliveries,
    downloads,
    events,
    files,
    health,
    metrics,
    models,
    playlist,
    queue,
    reference_page,
    studio_page,
    uploads,
    videos,
    webhook_endpoints,
)
from service.middleware import RequestStory
from service.openapi import document, route_name
from service.parts import Parts
from service.problems import LastResort, handle_problems
from service.settings import ServiceSettings
from service.short_way import FrontEnd
from service.webhook_events import webhooks

API_VERSION = "1.0.0"
ABOUT = "Text- and image-to-video as durable jobs. Speaks OpenAI's Videos API, and more."


def make_app(settings: ServiceSettings) -> FrontEnd:
    """The front end with these settings. Nothing is contacted before the first request."""
    parts = Parts.from_settings(settings)

    @asynccontextmanager
    async def lifespan(_: FrontEnd) -> AsyncIterator[None]:
        yield
        await parts.close()

    app = FrontEnd(
        title="EasyAnimate Service",
        version=API_VERSION,
        description=ABOUT,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        webhooks=webhooks(),
        generate_unique_id_function=route_name,
    )
    app.state.parts = parts
    app.openapi = document(app)  # type: ignore[method-assign]
    app.include_router(videos.polled)
    about_videos = (ask, videos, downloads, playlist, attempts, events, deliveries)
    pages = (studio_page, reference_page)
    for room in (*about_videos, uploads, files, webhook_endpoints, models, queue, health, metrics, *pages):
        app.include_router(room.router)
    handle_problems(app)
    app.add_middleware(LastResort)
    app.add_middleware(RequestStory, metrics=parts.metrics)  # the last one added is the outermost
    app.open_short_way((videos.polled, ask.router), parts.metrics)
    return app
