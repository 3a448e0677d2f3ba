"""The vocabularies of the models. Workers announce them, so that front ends count the tokens of a prompt."""

import hashlib
import zlib
from functools import cached_property
from typing import Any, cast

from redis import Redis

from jobs.errors import RecordUnreadable
from jobs.model.stored import StoredModel, parse_stored
from jobs.redis.connection import redis_errors
from jobs.redis.keys import vocabulary_key
from jobs.redis.unreadable import report_unreadable

MAX_BYTES = 16_000_000  # of one vocabulary; that of T5 has 1.3 MB


class Vocabulary(StoredModel, frozen=True):
    """A tokenizer that cuts a text at white space, and each word into the pieces with the highest sum of scores.

    `pieces` have their scores; `unknown` is the piece of letters without one. `special` tokens have no score.
    `letters` are the characters that the tokenizer reads as they are. The model reads `limit` tokens with
    the end token.
    """

    pieces: tuple[tuple[str, float], ...]
    unknown: str
    special: tuple[str, ...]
    letters: str
    limit: int

    @cached_property
    def content(self) -> bytes:
        """The vocabulary as stored."""
        return zlib.compress(self.model_dump_json().encode())

    @cached_property
    def digest(self) -> str:
        """The name of the content."""
        return hashlib.sha256(self.content).hexdigest()


class VocabularyStore:
    """The latest vocabulary of each model: a hash with its digest and its content."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def announce(self, model: str, vocabulary: Vocabulary) -> None:
        """Stores the vocabulary of a model, if it is another one than before. Raises QueueUnavailable."""
        if self.digest(model) == vocabulary.digest:
            return
        with redis_errors():
            fields: dict[Any, str | bytes] = {"digest": vocabulary.digest, "content": vocabulary.content}
            self.redis.hset(vocabulary_key(model), mapping=fields)

    def digest(self, model: str) -> str | None:
        """The digest of the vocabulary of a model; None if no worker has announced one. Raises QueueUnavailable."""
        with redis_errors():
            digest = cast(bytes | None, self.redis.hget(vocabulary_key(model), "digest"))
        return None if digest is None else digest.decode(errors="replace")

    def read(self, model: str) -> Vocabulary | None:
        """The vocabulary of a model; None without one that this release can read. Raises QueueUnavailable."""
        with redis_errors():
            content = cast(bytes | None, self.redis.hget(vocabulary_key(model), "content"))
        if content is None:
            return None
        try:
            return parse_stored(Vocabulary, _decompress(content))
        except RecordUnreadable as error:
            report_unreadable(self.redis, "vocabulary", model, error)
            return None


def _decompress(content: bytes) -> bytes:
    """The text of a stored vocabulary. Raises RecordUnreadable."""
    try:
        return zlib.decompressobj().decompress(content, MAX_BYTES)
    except zlib.error as error:
        raise RecordUnreadable("the stored Vocabulary cannot be read: it is not compressed") from error
