"""Vocabularies in Redis: written by workers of any release, read by front ends."""

import json
import zlib

import pytest
from redis import Redis

from jobs.queue.vocabularies import Vocabulary, VocabularyStore
from jobs.redis.keys import UNREADABLE_KEY, vocabulary_key

VOCABULARY = Vocabulary(
    pieces=(("▁a", -1.0), ("<unk>", 0.0)), unknown="<unk>", special=("</s>",), letters="a", limit=120
)


def test_an_announced_vocabulary_is_read_and_a_second_announcement_writes_nothing(redis: Redis) -> None:
    store = VocabularyStore(redis)
    store.announce("m", VOCABULARY)
    assert (store.read("m"), store.digest("m")) == (VOCABULARY, VOCABULARY.digest)
    redis.hset(vocabulary_key("m"), "content", "kept")
    store.announce("m", VOCABULARY)
    assert redis.hget(vocabulary_key("m"), "content") == b"kept"


def test_a_vocabulary_of_a_newer_release_with_a_new_field_is_read(redis: Redis) -> None:
    newer = json.loads(VOCABULARY.model_dump_json()) | {"merges": [["a", "b"]]}
    redis.hset(vocabulary_key("m"), "content", zlib.compress(json.dumps(newer).encode()))
    read = VocabularyStore(redis).read("m")
    assert read is not None
    assert read.model_dump(include=set(Vocabulary.model_fields)) == VOCABULARY.model_dump()


@pytest.mark.parametrize("content", [b"{", zlib.compress(b"{"), zlib.compress(b'{"pieces": 3}')])
def test_a_vocabulary_that_cannot_be_read_is_none_and_reported(redis: Redis, content: bytes) -> None:
    redis.hset(vocabulary_key("m"), "content", content)
    assert VocabularyStore(redis).read("m") is None
    assert redis.exists(UNREADABLE_KEY)
