"""Finds the video of a caller by the SHA-256 of one of its files, in the records of that caller only."""

import json
from collections.abc import Iterator
from typing import Any, cast

from redis import Redis

from jobs.redis import keys
from jobs.redis.connection import redis_errors

BATCH = 500  # records for one round trip


def find_by_digest(redis: Redis, owner: str, sha256: str) -> tuple[str, str] | None:
    """The id of the caller's video with this digest, and the field of the result that has it. Raises QueueUnavailable.

    The newest video comes first. Records that cannot be read are skipped.
    """
    needle = sha256.encode()
    with redis_errors():
        for job_ids, results in _batches(redis, owner):
            for job_id, result in zip(job_ids, results, strict=True):
                if isinstance(result, bytes) and needle in result and (field := _field(result, sha256)):
                    return job_id, field
    return None


def _batches(redis: Redis, owner: str) -> Iterator[tuple[list[str], list[Any]]]:
    start = 0
    while True:
        names = cast(list[bytes], redis.zrevrange(keys.index_key(owner), start, start + BATCH - 1))
        job_ids = [name.decode(errors="replace") for name in names]
        with redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(keys.record_key(job_id), "result")
            yield job_ids, pipe.execute(raise_on_error=False)
        if len(names) < BATCH:
            return
        start += BATCH


def _field(result: bytes, sha256: str) -> str | None:
    try:
        fields = dict(json.loads(result))
    except (ValueError, TypeError):
        return None
    for name in ("content_sha256", "unsigned_sha256"):
        if fields.get(name) == sha256:
            return name
    return "segment_sha256" if sha256 in (fields.get("segment_sha256") or ()) else None


def owns_video(redis: Redis, owner: str, video_id: str) -> bool:
    """Whether the caller has a record of this video. Raises QueueUnavailable."""
    with redis_errors():
        return redis.zscore(keys.index_key(owner), video_id) is not None
