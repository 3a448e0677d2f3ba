"""A write as of a job, and the faults of a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from redis import Redis

from jobs.errors import QueueUnavailable
from jobs.redis.connection import connect
from jobs.redis.health import CACHE_S, WritableCheck, check_writable, log_server_problems, server_problems
from tests.integration.redis_servers import PASSWORD, free_port, running, wait_for, wait_until

Problems = list[tuple[str, str, str]]


def problems_of(url: str) -> Problems:
    with connect(url, retries=0, timeout_s=60) as redis:
        return [(problem.level, problem.message, problem.advice) for problem in server_problems(redis)]


def is_rewriting(redis: Redis) -> bool:
    """Whether the server writes, or will write, its append-only file anew."""
    info = redis.info("persistence")
    return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])


@contextmanager
def configured(redis: Redis, **values: str) -> Iterator[None]:
    """Changes settings of the shared server for the block."""
    names = [name.replace("_", "-") for name in values]
    before = {name: redis.config_get(name)[name] for name in names}
    for name, value in zip(names, values.values(), strict=True):
        redis.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            redis.config_set(name, value)
        if "appendonly" in before:  # until the file is complete, nothing is on disk
            wait_until(lambda: not is_rewriting(redis))


def test_a_good_server_has_no_problem_and_the_probe_expires(redis: Redis, redis_url: str) -> None:
    assert problems_of(redis_url) == []
    assert [redis.ttl(key) > 0 for key in redis.scan_iter()] == [True]


def test_a_full_server_accepts_no_job(redis: Redis, redis_url: str) -> None:
    with configured(redis, maxmemory="1"):
        (problem,) = problems_of(redis_url)
    assert problem[0] == "broken"
    assert problem[1].startswith("it accepts no job: OOM")
    assert "memory" in problem[2]


def test_a_server_without_the_required_replicas_accepts_no_job(redis: Redis, redis_url: str) -> None:
    with configured(redis, min_replicas_to_write="1"):
        (problem,) = problems_of(redis_url)
    assert problem[1].startswith("it accepts no job: NOREPLICAS")


@pytest.mark.parametrize(
    "rules", ["resetchannels ~* +@all", "~other:* &* +@all", "~* &* +@all -publish", "~* &* +@read"]
)
def test_a_user_without_the_permissions_of_a_submit_is_named(redis: Redis, redis_url: str, rules: str) -> None:
    redis.acl_setuser("limited", enabled=True, reset=True)
    redis.execute_command("ACL", "SETUSER", "limited", "on", f">{PASSWORD}", *rules.split())
    try:
        first = problems_of(redis_url.replace("redis://", f"redis://limited:{PASSWORD}@"))[0]
    finally:
        redis.acl_deluser("limited")
    assert first[0] == "broken"
    assert "NOPERM" in first[1]
    assert "~* &* +@all" in first[2]


def test_the_documented_permissions_are_enough(redis: Redis, redis_url: str) -> None:
    rules = "~* &* +@all -@dangerous +info +config|get"
    redis.execute_command("ACL", "SETUSER", "documented", "on", f">{PASSWORD}", *rules.split())
    try:
        assert problems_of(redis_url.replace("redis://", f"redis://documented:{PASSWORD}@")) == []
    finally:
        redis.acl_deluser("documented")


def test_a_replica_and_a_node_of_a_cluster_are_named(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    with (
        running(tmp_path / "replica", "--port", port, "--save", "", "--replicaof", "127.0.0.1", 1),
        running(tmp_path / "cluster", "--port", other, "--save", "", "--cluster-enabled", "yes"),
    ):
        for number in (port, other):
            wait_for(Redis(port=number))
        replica = problems_of(f"redis://127.0.0.1:{port}")
        cluster = problems_of(f"redis://127.0.0.1:{other}")
    assert ("broken", "it is a slave and read-only", "set the URL of the master, or of the Sentinels") in replica
    assert replica[0][1].startswith("it accepts no job: READONLY")
    assert cluster[0][1].startswith("it accepts no job: CLUSTERDOWN")
    assert "not supported" in cluster[1][1]


def test_a_server_that_loses_or_evicts_jobs_is_named(redis: Redis, redis_url: str) -> None:
    with configured(redis, appendonly="no"):
        assert [level for level, *_ in problems_of(redis_url)] == ["warning"]
    with configured(redis, maxmemory_policy="allkeys-lru"):
        assert [(level, advice) for level, _, advice in problems_of(redis_url)] == [("broken", "set it to noeviction")]


def test_a_server_that_cannot_be_reached_is_one_problem() -> None:
    ((level, message, advice),) = problems_of(f"redis://:secret-word@127.0.0.1:{free_port()}")
    assert (level, "secret-word" in message) == ("broken", False)
    assert "EASYANIMATE_REDIS_URL" in advice


@pytest.mark.parametrize(("version", "is_old"), [("6.0.16", True), ("6.2.0", False), ("5.9", True), ("10.0.1", False)])
def test_an_old_server_is_named(redis: Redis, monkeypatch: pytest.MonkeyPatch, version: str, is_old: bool) -> None:
    monkeypatch.setattr(
        redis, "info", lambda: {"redis_version": version, "aof_enabled": 1, "aof_last_write_status": "ok"}
    )
    messages = [problem.message for problem in server_problems(redis)]
    assert messages == ([f"its version is {version}"] if is_old else [])


def test_the_problems_are_logged_at_the_start(redis: Redis) -> None:
    with configured(redis, maxmemory_policy="allkeys-lru"), structlog.testing.capture_logs() as logs:
        log_server_problems(redis)
    events = [(line["event"], line["log_level"]) for line in logs]
    assert events == [("redis.durability", "info"), ("redis.unsuitable", "error")]


def test_the_result_of_the_check_is_remembered_for_some_seconds(redis: Redis) -> None:
    times = [0.0]
    check = WritableCheck(redis, lambda: times[0])
    assert check.is_writable()
    with configured(redis, maxmemory="1"):
        with pytest.raises(QueueUnavailable):
            check_writable(redis)
        times[0] = CACHE_S - 0.01
        assert check.is_writable()
        times[0] = CACHE_S
        assert not check.is_writable()
    assert not check.is_writable()
    times[0] = 2 * CACHE_S
    assert check.is_writable()
