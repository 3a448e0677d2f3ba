"""What the routes work with: made once when the process starts, handed to each request."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from redis import Redis

from jobs.choose_storage import open_storage
from jobs.keys import KeyRing
from jobs.outgoing import Outgoing
from jobs.redis_connection import connect
from jobs.registry import Registry
from jobs.storage import Storage
from jobs.store import JobStore
from service.callers import Caller, Callers
from service.images import ImageDoor
from service.settings import ServiceSettings

REDIS_RETRIES = 3  # then the caller gets a 503 and comes back
REDIS_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Parts:
    """The stores and doors of one front end process."""

    settings: ServiceSettings
    redis: Redis
    store: JobStore
    registry: Registry
    storage: Storage
    outgoing: Outgoing
    images: ImageDoor
    callers: Callers

    @classmethod
    def from_settings(cls, settings: ServiceSettings) -> Self:
        """All parts as the settings ask; nothing is contacted yet."""
        redis = connect(settings.redis_url.get_secret_value(), retries=REDIS_RETRIES, timeout_s=REDIS_TIMEOUT_S)
        return cls(
            settings=settings,
            redis=redis,
            store=JobStore(redis, lease_s=settings.lease_s),
            registry=Registry(redis),
            storage=open_storage(settings),
            outgoing=Outgoing(allow_private=settings.webhook_allow_private),
            images=ImageDoor(settings.max_image_pixels),
            callers=Callers(settings.auth, settings.api_keys, KeyRing(redis), settings.limits),
        )


async def parts_of(request: Request) -> Parts:
    """The parts of the process that answers this request."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(parts_of)]


KEY = HTTPBearer(
    scheme_name="key", description="The caller's key; needed unless the operator set none.", auto_error=False
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(KEY)]


async def caller_of(parts: PartsDep, credentials: Credentials) -> Caller:
    """Who calls. Raises Problem `invalid_api_key`, QueueUnavailable."""
    return await parts.callers.identify(credentials.credentials if credentials else None)


CallerDep = Annotated[Caller, Depends(caller_of)]


async def owner_of(caller: CallerDep) -> str:
    """Whose videos this request is about. Raises Problem `invalid_api_key`, QueueUnavailable."""
    return caller.owner


OwnerDep = Annotated[str, Depends(owner_of)]
