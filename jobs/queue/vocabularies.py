"""The vocabularies of the models. Workers announce them, so that front ends count the tokens of a prompt."""

import hashlib
import zlib
from functools import cached_property
from typing import Annotated, Any, cast

from pydantic import Field
from redis import Redis

from jobs.errors import RecordUnreadable
from jobs.model.stored import StoredModel, parse_stored
from jobs.redis.connection import redis_errors
from jobs.redis.keys import vocabulary_key
from jobs.redis.unreadable import reads_hash, report_unreadable

MAX_BYTES = 16_000_000  # of one vocabulary; that of T5 has 1.3 MB
MAX_PIECE_CHARS = 256  # the time to count grows with the longest piece; that of T5 has 16

Piece = Annotated[str, Field(min_length=1, max_length=MAX_PIECE_CHARS)]


class Vocabulary(StoredModel, frozen=True):
    """A tokenizer that cuts a text at white space, and each word into the pieces with the highest sum of scores.

    `pieces` have their scores; `unknown` is the piece of letters without one. `special` tokens have no score.
    `letters` are the characters that the tokenizer reads as they are. The model reads `limit` tokens with
    the end token.
    """

    pieces: Annotated[tuple[tuple[Piece, float], ...], Field(min_length=1)]
    unknown: str
    special: tuple[Piece, ...]
    letters: str
    limit: Annotated[int, Field(ge=1)]

    @cached_property
    def content(self) -> bytes:
        """The vocabulary as stored."""
        return zlib.compress(self._text)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the vocabulary. That of its content would differ between versions of the compression."""
        return hashlib.sha256(self._text).hexdigest()

    @property
    def _text(self) -> bytes:
        return self.model_dump_json().encode()


class VocabularyStore:
    """The latest vocabulary of each model: a hash with its digest and its content."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def announce(self, model: str, vocabulary: Vocabulary) -> None:
        """Stores the vocabulary of a model, if it is another one than before.

        Raises QueueUnavailable, and RecordUnreadable if its key holds a value of another type.
        """
        if self._field(model, "digest") == vocabulary.digest.encode():
            return
        with redis_errors():
            fields: dict[Any, str | bytes] = {"digest": vocabulary.digest, "content": vocabulary.content}
            self.redis.hset(vocabulary_key(model), mapping=fields)

    def digest(self, model: str) -> str | None:
        """The digest of the vocabulary of a model; None if no worker has announced one. Raises QueueUnavailable."""
        try:
            digest = self._field(model, "digest")
        except RecordUnreadable as error:
            report_unreadable(self.redis, "vocabulary", model, error)
            return None
        return None if digest is None else digest.decode(errors="replace")

    def read(self, model: str) -> Vocabulary | None:
        """The vocabulary of a model; None without one that this release can read. Raises QueueUnavailable."""
        try:
            content = self._field(model, "content")
            return None if content is None else parse_stored(Vocabulary, _decompress(content))
        except RecordUnreadable as error:
            report_unreadable(self.redis, "vocabulary", model, error)
            return None

    def _field(self, model: str, name: str) -> bytes | None:
        with reads_hash(), redis_errors():
            return cast(bytes | None, self.redis.hget(vocabulary_key(model), name))


def _decompress(content: bytes) -> bytes:
    """The text of a stored vocabulary. Raises RecordUnreadable."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(content, MAX_BYTES)
    except zlib.error as error:
        raise RecordUnreadable("the stored Vocabulary cannot be read: it is not compressed") from error
    if not stream.eof:
        raise RecordUnreadable(f"the stored Vocabulary cannot be read: it is cut off, or larger than {MAX_BYTES} bytes")
    return text
