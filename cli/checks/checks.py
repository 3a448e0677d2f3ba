"""The checks of the doctor, in order; invalid settings end them."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic_settings import BaseSettings
from redis import Redis
from redis.exceptions import RedisError

from cli.checks.moderation import check_moderation
from cli.checks.result import CheckResult, broken, ok, warning
from cli.checks.signing import check_signing
from cli.checks.storage import check_ownership, check_storage
from cli.errors import RefusedCommand
from cli.settings import ClientSettings, StackSettings, environment
from cli.stack.redis_server import find_redis
from jobs.errors import JobsError, RecordUnreadable
from jobs.invalid_settings import InvalidSettings
from jobs.model.states import NO_WORKER, PAUSED
from jobs.queue.registry import Registry
from jobs.redis.connection import connect
from jobs.redis.durability import durability_promise
from jobs.redis.health import server_problems
from jobs.redis.keys import UNREADABLE_KEY
from jobs.secret_files import SUFFIX, secret_fields, variable
from jobs.settings import Settings
from jobs.store.transitions import JobTable
from service.settings import ServiceSettings
from worker.settings import KeeperSettings, WorkerSettings

CLIENT_SETTINGS = {"EASYANIMATE_URL", "EASYANIMATE_API_KEY"}
MAX_CLOCK_SKEW_S = 2.0
SETTINGS_ADVICE = "correct it; .env.example explains each setting"
MAX_LISTED = 5  # values that cannot be read


def run_checks() -> list[CheckResult]:
    """All results; a check that raises an exception becomes a result, and the next one runs."""
    results = list(_settings())
    if any(result.level == "broken" for result in results):
        return results
    settings = WorkerSettings()
    checks: list[tuple[str, Callable[[], Iterator[CheckResult]]]] = [
        ("redis", lambda: _redis(settings)),
        ("storage", lambda: check_storage(settings)),
        ("storage", lambda: _ownership(settings)),
        ("models", lambda: _models(settings)),
        ("disk", lambda: _disk(settings)),
        ("device", lambda: _device(settings)),
        ("codecs", _codecs),
        ("signing", lambda: check_signing(settings)),
        ("moderation", lambda: check_moderation(settings)),
    ]
    for subject, check in checks:
        try:
            results += check()
        except Exception as error:  # noqa: BLE001  it is reported
            results.append(broken(subject, f"the check failed with {type(error).__name__}: {error}", "report it"))
    return results


def _settings() -> Iterator[CheckResult]:
    kinds = (ServiceSettings, WorkerSettings, KeeperSettings, ClientSettings, StackSettings)
    valid_names = CLIENT_SETTINGS | {name for kind in kinds for name in (*_names(kind), *_file_names(kind))}
    for name in sorted(name for name in environment() if name.startswith("EASYANIMATE_") and name not in valid_names):
        matches = get_close_matches(name, valid_names, 1)
        advice = f"did you mean {matches[0]}?" if matches else "remove it; .env.example lists all settings"
        yield warning("settings", f"{name} is not a setting", advice)
    for kind in (ServiceSettings, WorkerSettings, KeeperSettings):
        try:
            kind.read()
        except InvalidSettings as error:
            for fault in error.faults:
                yield broken("settings", fault, SETTINGS_ADVICE)
            return
    for command_kind in (StackSettings, ClientSettings):
        try:
            command_kind.read()
        except RefusedCommand as error:
            yield broken("settings", str(error), SETTINGS_ADVICE)
            return
    yield ok("settings", "all are valid")


def _names(kind: type[BaseModel], before: str = "EASYANIMATE_") -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield f"{before}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{before}{name.upper()}__")


def _file_names(kind: type[BaseSettings]) -> Iterator[str]:
    yield from (variable(kind, path) + SUFFIX for path in secret_fields(kind))


def _redis(settings: Settings) -> Iterator[CheckResult]:
    url = find_redis(settings.data_dir) or settings.redis_url.get_secret_value()
    if StackSettings.read().redis_url is None and not _listens(url):
        advice = "`easyanimate up` starts one with a Redis of its own; set EASYANIMATE_REDIS_URL for another Redis"
        yield warning("redis", f"no service runs with the data folder {settings.data_dir}", advice)
        return
    with connect(url, retries=1, timeout_s=3, prefix=settings.redis_prefix) as redis:
        on_disk = ServiceSettings().waits_for_disk
        problems = list(server_problems(redis, on_disk=on_disk))
        for problem in problems:
            result = broken if problem.level == "broken" else warning
            yield result("redis", problem.message, problem.advice)
        with suppress(RedisError):
            if all(problem.level == "warning" for problem in problems):
                yield _redis_version(redis)
                yield ok("redis", durability_promise(redis, on_disk=on_disk))
            yield from _redis_clock(redis)
            yield from _unreadable(redis)
        with suppress(JobsError):
            yield from _workers(redis)


def _listens(url: str) -> bool:
    """Whether a server accepts connections at the host and port of `url`."""
    parts = urlsplit(url)
    with suppress(OSError), socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), 3):
        return True
    return False


def _workers(redis: Redis) -> Iterator[CheckResult]:
    """A warning for each announced model of which no worker takes jobs."""
    registry, table = Registry(redis), JobTable(redis)
    for card in registry.cards():
        try:
            reason, waiting = registry.idle_reason(card.name), table.queue_depth(card.name)
        except RecordUnreadable as error:
            advice = f"`easyanimate models retire {card.name}` takes the model out of the service"
            yield warning("workers", f"the queue of {card.name} cannot be read: {error}", advice)
        else:
            yield from _idle(card.name, reason, waiting)


def _idle(model: str, reason: str | None, waiting: int) -> Iterator[CheckResult]:
    if reason == NO_WORKER:
        advice = f"start one, or take the model out of the service: `easyanimate models retire {model}`"
        yield warning("workers", f"no worker serves {model}; {waiting} jobs wait", advice)
    elif reason == PAUSED:
        advice = f"`easyanimate queues list` shows why; `easyanimate queues resume {model}` ends the pause"
        yield warning("workers", f"the queue of {model} is paused; {waiting} jobs wait", advice)
    elif reason is not None:
        advice = "read the log of its workers; docs/operations/running.md explains the reasons"
        yield warning("workers", f"no worker takes jobs of {model} ({reason}); {waiting} jobs wait", advice)


def _ownership(settings: Settings) -> Iterator[CheckResult]:
    url = find_redis(settings.data_dir) or settings.redis_url.get_secret_value()
    redis = connect(url, retries=1, timeout_s=3, prefix=settings.redis_prefix)
    with suppress(JobsError), redis:  # other checks name such an error
        yield from check_ownership(settings, redis)


def _redis_version(redis: Redis) -> CheckResult:
    info = cast(Mapping[str, Any], redis.info("server"))
    name, version = info.get("server_name", "redis"), info.get("redis_version")
    return ok("redis", f"{name} accepts jobs, compatible with Redis {version}")


def _redis_clock(redis: Redis) -> Iterator[CheckResult]:
    before = time.time()
    seconds, microseconds = redis.time()
    skew = seconds + microseconds / 1e6 - (before + time.time()) / 2
    if abs(skew) > MAX_CLOCK_SKEW_S:
        yield warning(
            "redis", f"its clock and that of this machine differ by {abs(skew):.0f} s", "synchronize both with NTP"
        )


def _unreadable(redis: Redis) -> Iterator[CheckResult]:
    names = cast(list[bytes], redis.zrange(UNREADABLE_KEY, 0, MAX_LISTED - 1))
    if names:
        listed = ", ".join(name.decode(errors="replace") for name in names)
        count = redis.zcard(UNREADABLE_KEY)
        advice = "look for value.unreadable in the logs; docs/operations/upgrades.md"
        yield warning("redis", f"{count} values could not be read or processed in the last day: {listed}", advice)


def _models(settings: WorkerSettings) -> Iterator[CheckResult]:
    for name in settings.served_models:
        yield from _model(settings.models_dir / name)


def _model(folder: Path) -> Iterator[CheckResult]:
    if not folder.is_dir():
        advice = "`easyanimate models pull 512` downloads one; `easyanimate up` creates the small one"
        yield warning("models", f"there is no model folder {folder}", advice)
        return
    try:
        from easyanimate.models.local_models import missing_files
        from worker.models.cards import read_served_card
    except ImportError:
        yield warning("models", f"{folder} is not checked without torch", "run the doctor beside a worker")
        return
    from easyanimate.errors import EasyAnimateError

    if missing := missing_files(folder):
        yield broken("models", f"{folder} lacks {', '.join(missing)}", f"`easyanimate models check {folder}`")
        return
    try:
        yield ok("models", f"{read_served_card(folder).name} is complete")
    except EasyAnimateError as error:
        yield broken("models", str(error), f"`easyanimate models check {folder}`")


def _disk(settings: WorkerSettings) -> Iterator[CheckResult]:
    folder = _existing(settings.spool)
    if not os.access(folder, os.W_OK):
        yield broken("disk", f"the spool {settings.spool} cannot be written", "give the worker's user the permission")
        return
    free, needed = shutil.disk_usage(folder).free, settings.min_free_disk_bytes
    if free < needed:
        advice = "free some space, or set EASYANIMATE_SPOOL_DIR to another disk"
        yield broken("disk", f"{free >> 20} MiB are free for the spool, {needed >> 20} are needed", advice)
    else:
        yield ok("disk", f"{free >> 20} MiB are free for the spool")


def _existing(folder: Path) -> Path:
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _device(settings: WorkerSettings) -> Iterator[CheckResult]:
    try:
        import torch
    except ImportError:
        yield warning("device", "torch is not installed: no worker can run here", "install the extra `worker`")
        return
    if torch.cuda.is_available():
        name, free = torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0]
        yield ok("device", f"torch {torch.__version__} with {name}, {free >> 30} GiB free")
    elif settings.device == "cuda":
        advice = "install NVIDIA's driver and a torch with CUDA, or set EASYANIMATE_DEVICE=auto"
        yield broken("device", f"torch {torch.__version__} sees no CUDA device", advice)
    else:
        yield ok("device", f"torch {torch.__version__} on the CPU: sufficient for the small model")


def _codecs() -> Iterator[CheckResult]:
    try:
        import av
    except ImportError:
        yield warning("codecs", "PyAV is not installed: no worker can run here", "install the extra `worker`")
        return
    for name, mode in (("libx264", "w"), ("h264", "r")):
        try:
            av.Codec(name, cast(Any, mode))
        except (ValueError, av.FFmpegError):
            yield broken("codecs", f"FFmpeg in PyAV {av.__version__} lacks {name}", "install PyAV's own wheel")
            return
    yield ok("codecs", f"PyAV {av.__version__} reads and writes H.264")
