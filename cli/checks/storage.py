"""Checks the storage with the operations of the service: put, stat, range, multipart upload, link, list, delete."""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from redis import Redis

from cli.checks.result import CheckResult, broken, ok, warning
from jobs.errors import StorageFull, StorageRefused, StorageUnavailable
from jobs.loopback import is_loopback_url
from jobs.settings import Settings
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage
from jobs.storage.s3 import S3Storage
from jobs.store.keeper.ownership import ADVICE, EXPLANATIONS, Ownership, StorageOwnership
from jobs.store.transitions import JobTable

SMALL, LARGE_BYTES = b"0123456789", 9 << 20  # the large file is uploaded in two parts


class UnexpectedContent(Exception):
    """The storage returned something else than was stored."""


def check_storage(settings: Settings) -> Iterator[CheckResult]:
    """One result: all steps succeed, or the first one that fails. Stored objects are removed."""
    storage = open_storage(settings)
    prefix = f"videos/doctor-{secrets.token_hex(6)}/"
    steps: dict[str, Callable[[], None]] = {
        "reach it": storage.check,
        "put": lambda: storage.put_bytes(f"{prefix}small.mp4", SMALL),
        "stat": lambda: _expect(storage.stat(f"{prefix}small.mp4").size_bytes, len(SMALL)),
        "read a range": lambda: _expect(b"".join(storage.read(f"{prefix}small.mp4", 2, 3)), SMALL[2:5]),
        "copy": lambda: storage.copy(f"{prefix}small.mp4", f"{prefix}copy.mp4"),
        "upload in parts": lambda: _upload(storage, f"{prefix}large.mp4"),
        "list": lambda: _expect(len(list(storage.list(prefix))), 3),
        "delete": lambda: _delete(storage, prefix),
    }
    if isinstance(storage, S3Storage):
        yield from _versioning(storage)
    done: list[str] = []
    for name, step in steps.items():
        try:
            if name == "delete" and settings.storage == "s3":
                yield from _link(storage, f"{prefix}small.mp4")
            step()
        except (StorageUnavailable, KeyError, UnexpectedContent) as error:
            yield broken("storage", f"cannot {name}: {error}", _advice(error))
            return
        done.append(name)
    yield ok("storage", f"{settings.storage}: {', '.join(done[1:])} work")


def check_ownership(settings: Settings, redis: Redis) -> Iterator[CheckResult]:
    """A warning if the keeper of this Redis deletes nothing in the storage, because it is not its own."""
    ownership = StorageOwnership(JobTable(redis), open_storage(settings, tries=1, timeout_s=5))
    state = ownership.read()
    if state is Ownership.OWN or (state is Ownership.UNMARKED and ownership.is_adoptable()):
        return
    yield warning("storage", EXPLANATIONS[state], ADVICE)


def _versioning(storage: S3Storage) -> Iterator[CheckResult]:
    if storage.is_versioned():
        advice = "add a lifecycle rule that deletes noncurrent versions; docs/operations/s3.md has one"
        yield warning("storage", "the bucket keeps old versions: deleted videos stay stored", advice)


def _expect(value: object, expected: object) -> None:
    if value != expected:
        raise UnexpectedContent(f"it returned {value!r} instead of {expected!r}")


def _upload(storage: Storage, key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.mp4"
        path.write_bytes(secrets.token_bytes(1 << 20) * (LARGE_BYTES >> 20))
        storage.put_file(key, path)
        _expect(b"".join(storage.read(key, LARGE_BYTES - 5, 5)), path.read_bytes()[-5:])


def _delete(storage: Storage, prefix: str) -> None:
    storage.delete_prefix(prefix)
    _expect(list(storage.list(prefix)), [])


def _link(storage: Storage, key: str) -> Iterator[CheckResult]:
    try:
        url = storage.url(key, 60, "small.mp4")
        response = httpx.get(url, timeout=10, trust_env=not is_loopback_url(url))
        if (response.status_code, response.content) == (200, SMALL):
            return
        problem = f"returns {response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, ImportError) as error:  # the last two: proxies of the environment
        problem = f"cannot be fetched from here ({type(error).__name__})"
    yield warning("storage", f"a download link {problem}", "check EASYANIMATE_S3__PUBLIC_ENDPOINT_URL")


def _advice(error: Exception) -> str:
    if isinstance(error, StorageRefused):
        return "follow the message"
    if isinstance(error, StorageFull):
        return "free some space"
    if isinstance(error, StorageUnavailable):
        return "make sure that the store runs and can be reached from here; check EASYANIMATE_S3__ENDPOINT_URL"
    return "this store is not compatible with S3; try EASYANIMATE_S3__CHECKSUM and EASYANIMATE_S3__ADDRESSING_STYLE"
