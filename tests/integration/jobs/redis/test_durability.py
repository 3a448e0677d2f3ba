"""Waiting for the disk of Redis, and what a server promises."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis import Redis

from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.errors import ChangeNotDurable, NotDurable, QueueUnavailable
from jobs.redis.connection import connect_async
from jobs.redis.durability import PROMISE_OF_DISK, PROMISES, DiskBarrier, durability_promise
from jobs.redis.health import check_writable, log_server_problems, server_problems
from tests.faults.tcp_proxy import Mode, TcpProxy
from tests.integration.jobs.redis.test_health import configured


def run(url: str, timeout_s: float, *waits: Sequence[str]) -> list[BaseException | None]:
    """The results of waits at the same time."""

    async def all_waits() -> list[BaseException | None]:
        barrier = DiskBarrier(connect_async(url, retries=0, read_timeout=False), timeout_s)
        try:
            return await asyncio.gather(*map(barrier.wait, waits), return_exceptions=True)
        finally:
            await barrier.close()

    return asyncio.run(all_waits())


def waits_of(redis: Redis) -> int:
    """The number of WAITAOF that the server has executed."""
    return int(redis.info("commandstats").get("cmdstat_waitaof", {}).get("calls", 0))


def test_stored_keys_are_on_disk_and_one_wait_serves_many_requests(redis: Redis, redis_url: str) -> None:
    redis.mset({f"job:{number}": "x" for number in range(50)})
    before = waits_of(redis)
    assert run(redis_url, 120.0, *([f"job:{number}"] for number in range(50))) == [None] * 50
    assert waits_of(redis) == before + 1


def test_a_key_that_is_gone_is_not_durable_and_others_are(redis: Redis, redis_url: str) -> None:
    redis.mset({"job:1": "x", "job:2": "x"})
    results = run(redis_url, 120.0, ["job:1"], ["job:2", "job:3"])
    assert [type(result) for result in results] == [type(None), NotDurable]


REFUSALS = {
    "no append-only file": {"appendonly": "no"},
    "a file that is never flushed": {"appendfsync": "no"},
}


@pytest.mark.parametrize("values", REFUSALS.values(), ids=REFUSALS)
def test_a_server_that_cannot_wait_is_not_durable(redis: Redis, redis_url: str, values: dict[str, str]) -> None:
    redis.set("job:1", "x")
    with configured(redis, **values):
        (result,) = run(redis_url, 0.2, ["job:1"])
    assert type(result) is NotDurable


def test_a_user_without_waitaof_is_refused(redis: Redis, redis_url: str) -> None:
    redis.set("job:1", "x")
    redis.execute_command("ACL", "SETUSER", "writer", "on", "nopass", "~*", "&*", "+@all", "-waitaof")
    try:
        (result,) = run(redis_url.replace("://", "://writer:none@"), 120.0, ["job:1"])
    finally:
        redis.execute_command("ACL", "DELUSER", "writer")
    assert type(result) is NotDurable
    assert "waitaof" in str(result.__cause__)


def test_a_wait_by_a_silent_connection_ends(redis: Redis, redis_url: str) -> None:
    redis.set("job:1", "x")
    port, _, database = redis_url.rpartition(":")[2].partition("/")
    proxy = TcpProxy(int(port))
    proxy.inject(Mode.SILENT)
    try:
        (result,) = run(f"redis://127.0.0.1:{proxy.port}/{database}", 0.1, ["job:1"])
    finally:
        proxy.close()
    assert type(result) is NotDurable


def test_a_closed_barrier_ends_the_waits(redis: Redis, redis_url: str) -> None:
    redis.set("job:1", "x")

    async def close_during_a_wait() -> BaseException | None:
        barrier = DiskBarrier(connect_async(redis_url, retries=0, read_timeout=False), 60.0)
        wait: Coroutine[Any, Any, None] = barrier.wait(["job:1"])
        task = asyncio.create_task(wait)
        await asyncio.sleep(0)
        await barrier.close()
        return (await asyncio.gather(task, return_exceptions=True))[0]

    assert type(asyncio.run(close_during_a_wait())) is NotDurable


@pytest.mark.parametrize(
    ("values", "on_disk", "promise"),
    [
        ({"appendonly": "no"}, False, PROMISES[""]),
        ({"appendonly": "no"}, True, PROMISES[""]),
        ({"appendfsync": "always"}, False, PROMISES["always"]),
        ({"appendfsync": "everysec"}, False, PROMISES["everysec"]),
        ({"appendfsync": "no"}, False, PROMISES["no"]),
        ({"appendfsync": "everysec"}, True, PROMISE_OF_DISK),
    ],
)
def test_the_promise_is_that_of_the_server(redis: Redis, values: dict[str, str], on_disk: bool, promise: str) -> None:
    with configured(redis, **values), structlog.testing.capture_logs() as logs:
        assert durability_promise(redis, on_disk=on_disk) == promise
        log_server_problems(redis)
    assert "redis.durability" in [line["event"] for line in logs]


def test_the_promise_of_an_old_server_names_the_required_version(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "info", lambda: {"redis_version": "7.0.15", "aof_enabled": 1})
    assert durability_promise(redis, on_disk=False).startswith(PROMISES["everysec"])
    assert "Redis 7.2" in durability_promise(redis, on_disk=False)


@pytest.mark.parametrize("values", REFUSALS.values(), ids=REFUSALS)
def test_a_server_that_cannot_wait_accepts_no_job_where_the_disk_is_required(
    redis: Redis, values: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, configured(redis, **values):
        patch.setattr("jobs.redis.health.DISK_TIMEOUT_S", 0.2)
        check_writable(redis)
        with pytest.raises(QueueUnavailable):
            check_writable(redis, on_disk=True)
        broken = [problem for problem in server_problems(redis, on_disk=True) if problem.level == "broken"]
        assert [problem for problem in server_problems(redis) if problem.level == "broken"] == []
    assert ["EASYANIMATE_DURABLE_SUBMIT" in problem.message for problem in broken] == [True]
    monkeypatch.setattr("jobs.redis.health.DISK_TIMEOUT_S", 120.0)
    check_writable(redis, on_disk=True)


def changes_after(url: str, change: Callable[[], object]) -> BaseException | None:
    """The result of a wait for a change."""

    async def wait() -> BaseException | None:
        barrier = DiskBarrier(connect_async(url, retries=3, read_timeout=False), 120.0)
        try:
            run = await barrier.server_run()
            await asyncio.to_thread(change)
            return (await asyncio.gather(barrier.wait_for_changes(run), return_exceptions=True))[0]
        finally:
            await barrier.close()

    return asyncio.run(wait())


def test_a_deletion_is_on_disk_after_the_wait(redis: Redis, redis_url: str) -> None:
    redis.set("job:1", "x")
    before = waits_of(redis)
    assert changes_after(redis_url, lambda: redis.delete("job:1")) is None
    assert waits_of(redis) == before + 1


def test_a_change_before_a_restart_of_the_server_is_not_durable(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, free_port()).start()

    def restart() -> None:
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        server.start()

    try:
        result = changes_after(server.url, restart)
    finally:
        server.stop()
    assert type(result) is ChangeNotDurable


def test_the_run_of_a_silent_server_is_not_readable(redis: Redis, redis_url: str) -> None:
    port, _, database = redis_url.rpartition(":")[2].partition("/")
    proxy = TcpProxy(int(port))
    proxy.inject(Mode.SILENT)

    async def read() -> str:
        barrier = DiskBarrier(connect_async(f"redis://127.0.0.1:{proxy.port}/{database}", retries=0), 0.1)
        try:
            return await barrier.server_run()
        finally:
            await barrier.close()

    try:
        with pytest.raises(QueueUnavailable):
            asyncio.run(read())
    finally:
        proxy.close()
