"""What the routes work with: made once when the process starts, handed to each request."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from redis import Redis

from jobs.access.api_keys import ApiKeyStore
from jobs.access.quotas import Quotas
from jobs.outbound_http import OutboundClient
from jobs.queue.notifications import JobNotifications
from jobs.queue.registry import Registry
from jobs.redis.batching import CommandBatcher
from jobs.redis.clock import RedisClock
from jobs.redis.connection import connect, connect_async
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage
from jobs.storage.uploads import UploadIndex
from jobs.store.callers.async_submission import AsyncSubmission, FirstLook
from jobs.store.callers.reader import JobReader
from jobs.store.keeper.recovery import JobStore
from jobs.webhooks.deliveries import Deliveries
from jobs.webhooks.endpoints import EndpointStore
from service.event_feed import EventFeeds
from service.http.auth import Authenticator
from service.http.request_metrics import RequestMetrics
from service.inputs.concurrency import ConcurrencyLimiter
from service.inputs.images import ImageDecoder
from service.inputs.remote import RemoteFetcher
from service.inputs.resolver import InputResolver
from service.inputs.uploads import UploadService
from service.schemas.links import shown
from service.settings import ServiceSettings

REDIS_RETRIES = 3  # then the caller gets a 503 and comes back
REDIS_TIMEOUT_S = 2.0
TRIP_S = 4.0  # all tries of a question together
STORAGE_TRIES, STORAGE_TIMEOUT_S = 2, 10.0  # a caller waits for it


@dataclass(frozen=True)
class Resources:
    """The stores and doors of one front end process. `leaving` is set when it was told to stop, `draining` while it
    answers nevertheless, until whoever sends requests here has noticed.
    """

    settings: ServiceSettings
    redis: Redis
    store: JobStore
    reader: JobReader
    news: JobNotifications
    feeds: EventFeeds
    registry: Registry
    first_look: FirstLook
    admission: AsyncSubmission
    storage: Storage
    outbound: OutboundClient
    links: RemoteFetcher
    slots: ConcurrencyLimiter
    endpoints: EndpointStore
    deliveries: Deliveries
    images: ImageDecoder
    shelf: UploadService
    callers: Authenticator
    quotas: Quotas
    clock: RedisClock
    trips: tuple[CommandBatcher, ...]
    metrics: RequestMetrics = field(default_factory=RequestMetrics)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def from_settings(cls, settings: ServiceSettings) -> Self:
        """All parts as the settings ask; nothing is contacted yet."""
        url = settings.redis_url.get_secret_value()
        redis = connect(url, retries=REDIS_RETRIES, timeout_s=REDIS_TIMEOUT_S)
        asynchronous = connect_async(url, retries=REDIS_RETRIES, timeout_s=REDIS_TIMEOUT_S)
        asking, writing = (_trips(url, retries) for retries in (REDIS_RETRIES, 0))
        writing.redis.response_callbacks.clear()  # in a transaction commands are answered QUEUED, whatever they ask
        store = JobStore(redis, lease_s=settings.lease_s)
        storage = open_storage(settings, tries=STORAGE_TRIES, timeout_s=STORAGE_TIMEOUT_S)
        reader, news = JobReader(asynchronous, asking), JobNotifications(asynchronous)
        images, slots = ImageDecoder(settings.max_image_pixels), ConcurrencyLimiter()
        fetching = OutboundClient(allow_private=settings.fetch_allow_private, timeout_s=settings.fetch_timeout_s)
        return cls(
            settings=settings,
            redis=redis,
            store=store,
            reader=reader,
            news=news,
            feeds=EventFeeds(reader, news, partial(shown, storage)),
            registry=Registry(redis),
            first_look=FirstLook(writing, asking),
            admission=AsyncSubmission(writing, store),
            storage=storage,
            outbound=OutboundClient(allow_private=settings.webhook_allow_private),
            links=RemoteFetcher(fetching, settings.body_limit_bytes, slots),
            slots=slots,
            endpoints=EndpointStore(redis),
            deliveries=Deliveries(redis),
            images=images,
            shelf=UploadService(UploadIndex(redis), storage, images, store.now, settings.max_files),
            callers=Authenticator(settings.auth, settings.api_keys, ApiKeyStore(redis), settings.limits),
            quotas=Quotas(redis),
            clock=RedisClock(asynchronous),
            trips=(asking, writing),
        )

    async def leave(self) -> None:
        """The process was told to stop: whoever waits is sent away, and comes back to another one."""
        self.leaving.set()
        self.news.notify_all()
        await self.feeds.close()

    async def close(self) -> None:
        """Hang up everywhere."""
        await self.leave()
        await self.news.close()
        await self.feeds.end()
        for trip in self.trips:
            await trip.close()
        await self.reader.redis.aclose()
        self.redis.close()

    def inputs_of(self, owner: str) -> InputResolver:
        """Where the inputs of this caller's requests are found."""
        return InputResolver(owner, self.links, self.shelf)


def _trips(url: str, retries: int) -> CommandBatcher:
    return CommandBatcher(connect_async(url, retries=retries, timeout_s=REDIS_TIMEOUT_S, is_timed=False), TRIP_S)
