"""The doctor tries the storage as the service uses it: put, look, read a range, upload in parts, link, list, delete."""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from cli.checks.result import CheckResult, broken, ok, warning
from jobs.errors import StorageFull, StorageRefused, StorageUnavailable
from jobs.settings import Settings
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage

SMALL, LARGE_BYTES = b"0123456789", 9 << 20  # the large one goes up in two parts


class Wrong(Exception):
    """The storage answered, but not what it should have."""


def check_storage(settings: Settings) -> Iterator[CheckResult]:
    """One finding for all that went well, or for the first step that did not; what was put is removed again."""
    storage = open_storage(settings)
    prefix = f"videos/doctor-{secrets.token_hex(6)}/"
    steps: dict[str, Callable[[], None]] = {
        "reach it": storage.check,
        "put": lambda: storage.put_bytes(f"{prefix}small.mp4", SMALL),
        "look": lambda: _expect(storage.stat(f"{prefix}small.mp4").size_bytes, len(SMALL)),
        "read a range": lambda: _expect(b"".join(storage.read(f"{prefix}small.mp4", 2, 3)), SMALL[2:5]),
        "copy": lambda: storage.copy(f"{prefix}small.mp4", f"{prefix}copy.mp4"),
        "upload in parts": lambda: _upload(storage, f"{prefix}large.mp4"),
        "list": lambda: _expect(len(list(storage.list(prefix))), 3),
        "delete": lambda: _delete(storage, prefix),
    }
    done: list[str] = []
    for name, step in steps.items():
        try:
            if name == "delete" and settings.storage == "s3":
                yield from _link(storage, f"{prefix}small.mp4")
            step()
        except (StorageUnavailable, KeyError, Wrong) as error:
            yield broken("storage", f"cannot {name}: {error}", _advice(error))
            return
        done.append(name)
    yield ok("storage", f"{settings.storage}: {', '.join(done[1:])} work")


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise Wrong(f"it gave {found!r} for {wanted!r}")


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
        answer = httpx.get(storage.url(key, 60, "small.mp4"), timeout=10)
        if (answer.status_code, answer.content) == (200, SMALL):
            return
        why = f"answers {answer.status_code}"
    except httpx.HTTPError as error:
        why = f"cannot be fetched from here ({type(error).__name__})"
    yield warning("storage", f"a link for callers {why}", "look at EASYANIMATE_S3__PUBLIC_ENDPOINT_URL")


def _advice(error: Exception) -> str:
    if isinstance(error, StorageRefused):
        return "do what the message says"
    if isinstance(error, StorageFull):
        return "make room"
    if isinstance(error, StorageUnavailable):
        return "see that the store runs and can be reached from here; look at EASYANIMATE_S3__ENDPOINT_URL"
    return "this store does not do what S3 does; try EASYANIMATE_S3__CHECKSUM and EASYANIMATE_S3__ADDRESSING_STYLE"
