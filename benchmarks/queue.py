"""What a long queue costs: a submit and a position with few and many jobs waiting, and the memory of one that waits."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from benchmarks.side_by_side import Row, row
from benchmarks.submit import REQUEST, cpu_s
from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.job import Job, new_job_id
from jobs.queue.fair_queue import position_command
from jobs.queue.tickets import TASK
from jobs.store.callers.submission import CallerJobs
from jobs.store.transitions import JobTable

LENGTHS = FEW, SOME, MANY = 1_000, 10_000, 100_000
CALLERS = 50
BATCH = 500
TRIES, ROUNDS = 400, 5


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU of the server and of wall clock for a call, in the cheapest of `ROUNDS`."""

    server_us: float
    wall_us: float


def rows() -> list[Row]:
    """Submit and position at both lengths, and bytes for each waiting job."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder), free_port()).start()
        try:
            with Redis.from_url(server.url) as redis:
                return [_bytes(redis), *_lengths(server, redis)]
        finally:
            server.stop()


def _lengths(server: EmbeddedRedis, redis: Redis) -> list[Row]:
    jobs = CallerJobs(JobTable(redis))
    measured = []
    for length in LENGTHS:
        _fill(jobs, length - jobs.table.queue_depth(REQUEST.model))
        _wait_for_quiet(redis)
        waiting = iter([_job(count) for count in range(TRIES * ROUNDS)])
        submit = _cost(server, lambda new=waiting: jobs.submit_all([next(new)]))  # type: ignore[misc]
        jobs.submit_all([last := _job(0)])
        command = position_command(last.request.model, last.priority, last.id)
        measured.append((submit, _cost(server, lambda command=command: redis.eval(*command))))  # type: ignore[misc]
    return [
        row(
            f"{what}, {of}",
            (f"{FEW:,} waiting", f"{length:,} waiting"),
            (getattr(measured[0][place], cost), getattr(others[place], cost)),
            "µs",
        )
        for place, what in enumerate(("submit", "position"))
        for cost, of in (("server_us", "CPU of the Redis server"), ("wall_us", "from call to answer"))
        for length, others in zip(LENGTHS[1:], measured[1:], strict=True)
    ]


def _wait_for_quiet(redis: Redis) -> None:
    """Until the append-only file is not being rewritten: pages that the rewriting process holds cost more to change."""
    while redis.info("persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.1)


def _bytes(redis: Redis) -> Row:
    """Memory of the server for each waiting job, without its prompt."""
    queue = Queue("bare", connection=redis, serializer=JSONSerializer)
    count = 2 * FEW
    ways: tuple[Callable[[], Any], ...] = (
        lambda: [queue.enqueue(TASK, new_job_id()) for _ in range(count)],
        lambda: _fill(CallerJobs(JobTable(redis)), count),
    )
    used = []
    for way in ways:
        redis.execute_command("FLUSHALL", "SYNC")  # else what is freed in the background is counted with it
        before = redis.info("memory")["used_memory"]
        way()
        used.append((redis.info("memory")["used_memory"] - before) / count)
    prompt = len(REQUEST.prompt)
    redis.flushall()
    return row(
        "a waiting job, memory of Redis", ("bare RQ entry", "job beside its prompt"), (used[0], used[1] - prompt), "B"
    )


def _fill(jobs: CallerJobs, count: int) -> None:
    for begin in range(0, count, BATCH):
        jobs.submit_all([_job(begin + place) for place in range(min(BATCH, count - begin))])


def _job(count: int) -> Job:
    return Job(id=new_job_id(), owner=f"caller-{count % CALLERS}", request=REQUEST, created_at=1.0)


def _cost(server: EmbeddedRedis, call: Callable[[], object]) -> Cost:
    costs = []
    for _ in range(ROUNDS):
        before, started = cpu_s(server), time.perf_counter()
        for _ in range(TRIES):
            call()
        wall_us = (time.perf_counter() - started) / TRIES * 1e6
        costs.append(Cost((cpu_s(server) - before) / TRIES * 1e6, wall_us))
    return Cost(min(cost.server_us for cost in costs), min(cost.wall_us for cost in costs))
