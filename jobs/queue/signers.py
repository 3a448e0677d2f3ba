"""The certificates that workers sign results with, so that each front end recognizes the files of this installation."""

import hashlib
from math import inf
from typing import cast

import structlog
from redis import Redis

from jobs.redis.connection import redis_errors

SIGNERS_KEY = "models:signers"  # hash: SHA-256 of a certificate's PEM text -> that text: the leaf, then its authorities
NEEDED_KEY = "models:signers:needed"  # sorted set: the name of a certificate -> unix seconds until it is needed
END = "-----END CERTIFICATE-----"
MAX_SIGNERS = 256  # above it, certificates that no stored file needs are dropped
ANNOUNCED_S = 86_400.0  # how long an announced certificate is needed, without files

log = structlog.get_logger()


class SignerRegistry:
    """The certificates of all workers, also of earlier ones: their files stay valid.

    A pod with an empty data folder brings a new one at each start. A certificate that signed stored files is needed
    until the last of them expires. Those of releases that did not record it are always needed.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def announce(self, certificate: str) -> None:
        """Adds a certificate in PEM, or says that it is in use. Raises QueueUnavailable."""
        name = _name(certificate)
        with redis_errors():
            is_new = self.redis.hsetnx(SIGNERS_KEY, name, certificate)
            until = {name: self._now() + ANNOUNCED_S}
            if not is_new:
                self.redis.zadd(NEEDED_KEY, until, xx=True, gt=True)
                return
            self.redis.zadd(NEEDED_KEY, until)
            self._drop_unneeded()

    def keep(self, certificate: str, retention_s: float | None) -> None:
        """Keeps a certificate as long as a file that it signs now; None means for ever. Raises QueueUnavailable."""
        name = _name(certificate)
        with redis_errors():
            until = inf if retention_s is None else self._now() + retention_s + ANNOUNCED_S
            self.redis.zadd(NEEDED_KEY, {name: until}, xx=True, gt=True)

    def certificates(self) -> list[str]:
        """All certificates in PEM; values that are none are left out. Raises QueueUnavailable."""
        with redis_errors():
            values = cast(list[bytes], self.redis.hvals(SIGNERS_KEY))
        texts = (value.decode(errors="replace") for value in values)
        return [text for text in texts if END in text]

    def _drop_unneeded(self) -> None:
        """Drops the certificates that are not needed for the longest time, down to the limit."""
        surplus = self.redis.hlen(SIGNERS_KEY) - MAX_SIGNERS
        if surplus <= 0:
            return
        unneeded = cast(list[bytes], self.redis.zrangebyscore(NEEDED_KEY, "-inf", self._now(), start=0, num=surplus))
        names = [name.decode() for name in unneeded]
        if names:
            with self.redis.pipeline(transaction=True) as pipe:
                pipe.hdel(SIGNERS_KEY, *names)
                pipe.zrem(NEEDED_KEY, *names)
                pipe.execute()
        if len(names) < surplus:
            log.warning("signers.many", count=MAX_SIGNERS + surplus - len(names), limit=MAX_SIGNERS)

    def _now(self) -> float:
        seconds, microseconds = self.redis.time()
        return seconds + microseconds / 1e6


def _name(certificate: str) -> str:
    return hashlib.sha256(certificate.encode()).hexdigest()
