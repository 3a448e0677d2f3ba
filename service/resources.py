"""The stores and clients of one front end process, created at its start and shared by all requests."""

import asyncio
from dataclasses import dataclass, field
from typing import Self

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from jobs.access.api_keys import ApiKeyStore
from jobs.access.quotas import Quotas
from jobs.access.refused_requests import RefusedRequests
from jobs.moderation import Moderator
from jobs.outbound_http import OutboundClient
from jobs.queue.notifications import JobNotifications
from jobs.queue.registry import Registry
from jobs.queue.vocabularies import VocabularyStore
from jobs.queue.workers import WorkerDirectory
from jobs.redis.batching import CommandBatcher
from jobs.redis.clock import RedisClock
from jobs.redis.connection import connect, connect_async
from jobs.redis.durability import DiskBarrier
from jobs.redis.health import WritableCheck
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage
from jobs.storage.uploads import UploadIndex
from jobs.store.callers.async_submission import AsyncSubmission
from jobs.store.callers.durable_submission import DurableSubmission
from jobs.store.callers.reader import JobReader
from jobs.store.callers.submission import CallerJobs
from jobs.store.transitions import JobTable
from jobs.webhooks.deliveries import Deliveries
from jobs.webhooks.endpoints import EndpointStore
from service.http.auth import Authenticator
from service.http.request_metrics import RequestMetrics
from service.inputs.concurrency import ConcurrencyLimiter
from service.inputs.media import MediaLimits, MediaReader
from service.inputs.media_process import media_process
from service.inputs.prompt_tokens import TokenCounters
from service.inputs.provenance import ProvenanceChecker
from service.inputs.remote import RemoteFetcher
from service.inputs.uploads import UploadService
from service.settings import ServiceSettings
from service.web.links import VideoLinks
from service.web.tickets import TicketOffice

REDIS_RETRIES = 3  # then the client gets a 503 and retries
REDIS_TIMEOUT_S = 2.0
READ_TIMEOUT_S, READ_TRIES = 4.0, 2  # of all tries together
WRITE_TIMEOUT_S = 2.0  # of the one try; what remains unknown then is repeated in another way
DISK_TIMEOUT_S = 5.0  # a busy disk takes two seconds
STORAGE_TRIES, STORAGE_TIMEOUT_S = 2, 10.0  # a client waits meanwhile


@dataclass(frozen=True)
class Resources:
    """The stores and clients of one front end process.

    `draining` is set while it still answers but refuses new videos; `stopping` ends long polls and event streams.
    `durable` is None where accepted videos need not be on the disk of Redis, `moderator` without a moderation hook.
    """

    settings: ServiceSettings
    redis: Redis
    store: CallerJobs
    reader: JobReader
    notifications: JobNotifications
    registry: Registry
    workers: WorkerDirectory
    submission: AsyncSubmission
    durable: DurableSubmission | None
    refused_requests: RefusedRequests
    storage: Storage
    links: VideoLinks
    outbound: OutboundClient
    fetcher: RemoteFetcher
    concurrency: ConcurrencyLimiter
    endpoints: EndpointStore
    deliveries: Deliveries
    media: MediaReader
    uploads: UploadService
    provenance: ProvenanceChecker
    token_counters: TokenCounters
    authenticator: Authenticator
    quotas: Quotas
    clock: RedisClock
    batchers: tuple[CommandBatcher, ...]
    writable: WritableCheck
    moderator: Moderator | None = None
    metrics: RequestMetrics = field(default_factory=RequestMetrics)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def from_settings(cls, settings: ServiceSettings) -> Self:
        """Creates all resources; nothing is contacted yet."""
        url, prefix = settings.redis_url.get_secret_value(), settings.redis_prefix
        redis = connect(url, retries=REDIS_RETRIES, timeout_s=REDIS_TIMEOUT_S, prefix=prefix)
        async_redis = connect_async(url, retries=REDIS_RETRIES, timeout_s=REDIS_TIMEOUT_S, prefix=prefix)
        reads, writes = _readers(settings), _writers(settings)
        store = CallerJobs(JobTable(redis, lease_s=settings.lease_s))
        clock = RedisClock(async_redis)
        storage = open_storage(settings, tries=STORAGE_TRIES, timeout_s=STORAGE_TIMEOUT_S, clock=clock.estimate)
        tickets = TicketOffice(settings.secret_for("signing").encode())
        media, concurrency = MediaReader(media_process(), _media_limits(settings)), ConcurrencyLimiter()
        outbound = OutboundClient(allow_private=settings.fetch_allow_private, timeout_s=settings.fetch_timeout_s)
        return cls(
            settings=settings,
            redis=redis,
            store=store,
            reader=JobReader(async_redis, reads),
            notifications=JobNotifications(async_redis),
            registry=Registry(redis),
            workers=WorkerDirectory(redis),
            submission=AsyncSubmission(writes, reads, store),
            durable=DurableSubmission(_disk_barrier(settings), store) if settings.waits_for_disk else None,
            refused_requests=RefusedRequests(writes),
            storage=storage,
            links=VideoLinks(storage, tickets, settings.public_url, clock.estimate),
            outbound=OutboundClient(allow_private=settings.webhook_allow_private),
            fetcher=RemoteFetcher(outbound, settings.body_limit_bytes, concurrency),
            concurrency=concurrency,
            endpoints=EndpointStore(redis),
            deliveries=Deliveries(redis),
            media=media,
            uploads=UploadService(UploadIndex(redis), storage, media, store.table.now, settings.max_files),
            provenance=ProvenanceChecker(media, redis, settings),
            token_counters=TokenCounters(VocabularyStore(redis)),
            authenticator=Authenticator(settings.auth, settings.api_keys, ApiKeyStore(redis), settings.limits),
            quotas=Quotas(redis),
            clock=clock,
            batchers=(reads, writes),
            writable=WritableCheck(redis, on_disk=settings.waits_for_disk),
            moderator=Moderator.from_settings(settings, redis),
        )

    def end_waits(self) -> None:
        """Ends long polls and event streams at shutdown; their clients reconnect to another process."""
        self.stopping.set()
        self.notifications.notify_all()

    async def close(self) -> None:
        """Closes all connections."""
        self.end_waits()
        await self.notifications.close()
        await self.refused_requests.close()
        if self.durable is not None:
            await self.durable.close()
        for batcher in self.batchers:
            await batcher.close()
        await self.reader.redis.aclose()
        self.redis.close()


def _media_limits(settings: ServiceSettings) -> MediaLimits:
    return MediaLimits(settings.max_image_pixels, settings.media_memory_bytes, settings.media_timeout_s)


def _disk_barrier(settings: ServiceSettings) -> DiskBarrier:
    redis = _client_without_timeout(settings, REDIS_RETRIES)
    return DiskBarrier(redis, DISK_TIMEOUT_S)


def _readers(settings: ServiceSettings) -> CommandBatcher:
    """Sends commands that may be repeated."""
    redis = _client_without_timeout(settings, REDIS_RETRIES)
    return CommandBatcher(redis, READ_TIMEOUT_S, tries=READ_TRIES)


def _writers(settings: ServiceSettings) -> CommandBatcher:
    """Sends commands that must not be repeated."""
    redis = _client_without_timeout(settings, 0)
    redis.response_callbacks.clear()  # every command of a transaction is answered QUEUED
    return CommandBatcher(redis, WRITE_TIMEOUT_S)


def _client_without_timeout(settings: ServiceSettings, retries: int) -> AsyncRedis:
    """A client whose user limits the time of a reply."""
    url, prefix = settings.redis_url.get_secret_value(), settings.redis_prefix
    return connect_async(url, retries=retries, timeout_s=REDIS_TIMEOUT_S, read_timeout=False, prefix=prefix)
