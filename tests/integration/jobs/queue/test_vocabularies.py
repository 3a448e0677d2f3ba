"""Vocabularies in Redis: written by workers of any release, read by front ends."""

import json
import zlib
from typing import Any

import pytest
from redis import Redis

from jobs.errors import RecordUnreadable
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


def compressed(**changes: Any) -> bytes:
    return zlib.compress(json.dumps(json.loads(VOCABULARY.model_dump_json()) | changes).encode())


DAMAGED = {
    "not compressed": b"{",
    "no JSON": zlib.compress(b"{"),
    "of another type": compressed(pieces=3),
    "no pieces": compressed(pieces=[]),
    "an empty piece": compressed(pieces=[["", -1.0]]),
    "a long piece": compressed(pieces=[["a" * 257, -1.0]]),
    "an empty special token": compressed(special=[""]),
    "no limit": compressed(limit=0),
    "cut off": compressed()[:-1],
    "too large": zlib.compress(b" " * 16_000_001 + VOCABULARY.model_dump_json().encode()),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_vocabulary_that_cannot_be_read_is_none_and_reported(redis: Redis, damage: str) -> None:
    redis.hset(vocabulary_key("m"), "content", DAMAGED[damage])
    assert VocabularyStore(redis).read("m") is None
    assert redis.exists(UNREADABLE_KEY)


def test_a_vocabulary_that_another_library_compressed_is_the_same(
    monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    VocabularyStore(redis).announce("m", VOCABULARY)
    content = redis.hget(vocabulary_key("m"), "content")
    compress = zlib.compress
    monkeypatch.setattr(zlib, "compress", lambda data: compress(data, 0))
    VocabularyStore(redis).announce("m", Vocabulary.model_validate(VOCABULARY.model_dump()))
    assert redis.hget(vocabulary_key("m"), "content") == content


def test_a_key_of_another_type_is_no_vocabulary_and_stays(redis: Redis) -> None:
    redis.set(vocabulary_key("m"), "of another type")
    store = VocabularyStore(redis)
    assert (store.digest("m"), store.read("m")) == (None, None)
    with pytest.raises(RecordUnreadable):
        store.announce("m", VOCABULARY)
    assert redis.get(vocabulary_key("m")) == b"of another type"
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [b"vocabulary m"]
