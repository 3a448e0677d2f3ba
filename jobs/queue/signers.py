"""The certificates that workers sign results with, so that each front end recognizes the files of this installation."""

import hashlib
from typing import cast

from redis import Redis

from jobs.redis.connection import redis_errors

SIGNERS_KEY = "models:signers"  # hash: SHA-256 of a certificate's PEM text -> that text: the leaf, then its authorities
END = "-----END CERTIFICATE-----"


class SignerRegistry:
    """The certificates of all workers, also of earlier ones: their files stay valid."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def announce(self, certificate: str) -> None:
        """Adds a certificate in PEM. Raises QueueUnavailable."""
        name = hashlib.sha256(certificate.encode()).hexdigest()
        with redis_errors():
            self.redis.hsetnx(SIGNERS_KEY, name, certificate)

    def certificates(self) -> list[str]:
        """All certificates in PEM; values that are none are left out. Raises QueueUnavailable."""
        with redis_errors():
            values = cast(list[bytes], self.redis.hvals(SIGNERS_KEY))
        texts = (value.decode(errors="replace") for value in values)
        return [text for text in texts if END in text]
