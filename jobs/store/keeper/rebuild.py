"""Restores the records of finished videos after a total loss of Redis, from the `job.json` beside each video.

Jobs that waited, ran or failed cannot be restored: storage has only their inputs. API keys, pending webhooks,
idempotency keys and attempt logs cannot be restored either. Existing records stay unchanged, so a rebuild may be
repeated.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from redis import WatchError

from jobs.errors import StorageRefused
from jobs.model.job import Job
from jobs.model.job_file import NAME, InvalidJobFile, read_job
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.storage.interface import Storage, read_all
from jobs.storage.paths import INPUTS, VIDEOS, job_of
from jobs.store.event_log import add_event
from jobs.store.keeper import retention
from jobs.store.keeper.retention import CleanupQueue
from jobs.store.transitions import JobTable


@dataclass
class Rebuilt:
    """The result for each job in storage: records in `restored`, reasons in `unreadable`, ids otherwise."""

    restored: list[Job] = field(default_factory=list)
    existing: list[str] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)


def rebuild_records(table: JobTable, storage: Storage, owners: Mapping[str, str], *, dry_run: bool = False) -> Rebuilt:
    """Writes the record of each finished video that has none; `owners` maps old owners to new ones.

    With `dry_run` nothing is written. Raises QueueUnavailable, StorageUnavailable.
    """
    result, now = Rebuilt(), table.now()
    finished = _job_files(storage)
    for job_id, file_keys in finished.items():
        if _exists(table, job_id):
            result.existing.append(job_id)
            continue
        try:
            job = _latest_complete(storage, job_id, file_keys)
        except InvalidJobFile as error:
            result.unreadable[job_id] = str(error)
            continue
        if job.has_expired(now):
            result.expired.append(job_id)
            continue
        job = job.evolve(owner=owners.get(job.owner, job.owner))
        if dry_run or _restore(table, job):
            result.restored.append(job)
    for job_id in sorted({job_of(listed.key) for listed in storage.list(INPUTS)} - finished.keys()):
        if not _exists(table, job_id):
            result.unfinished.append(job_id)
    return result


def _job_files(storage: Storage) -> dict[str, list[str]]:
    """The keys of all job files, by job."""
    file_keys = defaultdict(list)
    for listed in storage.list(VIDEOS):
        if listed.key.endswith(f"/{NAME}"):
            file_keys[job_of(listed.key)].append(listed.key)
    return dict(file_keys)


def _exists(table: JobTable, job_id: str) -> bool:
    """Whether Redis has a record of the job, or records that its owner deleted it."""
    with redis_errors():
        is_there = table.redis.exists(keys.record_key(job_id))
        return bool(is_there) or table.redis.zscore(CleanupQueue.ERASED, job_id) is not None


def _latest_complete(storage: Storage, job_id: str, file_keys: list[str]) -> Job:
    """The record of the latest attempt whose video is complete. Raises InvalidJobFile."""
    why = f"its {NAME} names no video"
    readable = _readable(storage, file_keys)
    for job in sorted(readable, key=lambda job: (job.attempt, job.completed_at or 0.0), reverse=True):
        result = job.result
        if job.id != job_id or result is None:
            continue
        try:
            size = storage.stat(result.video_key).size_bytes
        except KeyError:
            why = "its video is missing"
            continue
        except StorageRefused as error:
            why = str(error)
            continue
        if size == result.size_bytes:
            return job
        why = f"its video has {size} bytes of {result.size_bytes}"
    raise InvalidJobFile(why)


def _readable(storage: Storage, file_keys: list[str]) -> Iterator[Job]:
    """The jobs in these files. Raises InvalidJobFile if none can be read, also if the storage refuses them alone."""
    faults, count = [], 0
    for key in file_keys:
        try:
            yield read_job(read_all(storage, key))
            count += 1
        except (InvalidJobFile, KeyError, StorageRefused) as error:
            faults.append(str(error))
    if not count:
        raise InvalidJobFile(faults[0] if faults else f"there is no {NAME}")


def _restore(table: JobTable, job: Job) -> bool:
    """Writes the record, the lists of its owner and its expiry. False if another process was faster."""
    with redis_errors(), table.redis.pipeline(transaction=True) as pipe:
        pipe.watch(keys.record_key(job.id))  # type: ignore[no-untyped-call]
        if pipe.exists(keys.record_key(job.id)):
            return False
        pipe.multi()
        pipe.hset(keys.record_key(job.id), mapping=cast(dict[Any, Any], job.to_hash()))
        for index in (keys.index_key(job.owner), keys.index_key(job.owner, job.public_status)):
            pipe.zadd(index, {job.id: job.created_at})
        add_event(pipe, keys.events_key(job.id), {"state": job.state, "attempt": job.attempt})
        retention.plan_cleanup(pipe, job)
        try:
            pipe.execute()
        except WatchError:
            return False
    return True
