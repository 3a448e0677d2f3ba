"""What the first build stored in Redis and in storage (tests/samples/first_build), for tests."""

import json
import shutil
from pathlib import Path
from typing import Any

from redis import Redis

from jobs.storage.local import LocalStorage

SAMPLES = Path(__file__).parent / "samples" / "first_build"
IDS: dict[str, Any] = json.loads((SAMPLES / "ids.json").read_text())
VIDEOS = ("completed", "undelivered", "running", "cancelled", "queued")  # in the order of their creation


def write_key(redis: Redis, name: str, kind: str, value: Any) -> None:
    """Writes a key of the sample to Redis."""
    match kind:
        case "string":
            redis.set(name, value)
        case "hash":
            redis.hset(name, mapping=value)
        case "zset":
            redis.zadd(name, value)
        case "set":
            redis.sadd(name, *value)
        case "list":
            redis.rpush(name, *value)
        case "stream":
            for entry_id, fields in value:
                redis.xadd(name, fields, id=entry_id)


def write_redis(redis: Redis) -> None:
    """Writes all keys of the sample."""
    for name, entry in json.loads((SAMPLES / "redis.json").read_text()).items():
        write_key(redis, name, entry["type"], entry["value"])


def copy_storage(folder: Path) -> LocalStorage:
    """A copy of the storage of the sample in `folder`."""
    shutil.copytree(SAMPLES / "objects", folder)
    return LocalStorage(folder, public_url="", secret=b"s")
