"""The cost of a submit and a position in short and long queues, and the memory of a waiting job."""

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
CALLS, ROUNDS = 400, 5


@dataclass(frozen=True)
class Cost:
    """Server CPU time and wall time of a call in microseconds, the minimum of `ROUNDS`."""

    server_us: float
    wall_us: float


def rows() -> list[Row]:
    """Rows for submit and position at each queue length, and for the memory of a waiting job."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder), free_port()).start()
        try:
            with Redis.from_url(server.url) as redis:
                return [_memory_row(redis), *_cost_rows(server, redis)]
        finally:
            server.stop()


def _cost_rows(server: EmbeddedRedis, redis: Redis) -> list[Row]:
    jobs = CallerJobs(JobTable(redis))
    measured = []
    for length in LENGTHS:
        _fill(jobs, length - jobs.table.queue_depth(REQUEST.model))
        _wait_for_rewrite(redis)
        waiting = iter([_job(count) for count in range(CALLS * ROUNDS)])
        submit = _cost(server, lambda new=waiting: jobs.submit_all([next(new)]))  # type: ignore[misc]
        jobs.submit_all([last := _job(0)])
        command = position_command(last.request.model, last.priority, last.id)
        measured.append((submit, _cost(server, lambda command=command: redis.eval(*command))))  # type: ignore[misc]
    return [
        row(
            f"{operation}, {measure}",
            (f"{FEW:,} waiting", f"{length:,} waiting"),
            (getattr(measured[0][index], field), getattr(costs[index], field)),
            "µs",
        )
        for index, operation in enumerate(("submit", "position"))
        for field, measure in (("server_us", "CPU of the Redis server"), ("wall_us", "from call to result"))
        for length, costs in zip(LENGTHS[1:], measured[1:], strict=True)
    ]


def _wait_for_rewrite(redis: Redis) -> None:
    """Waits for the end of a rewrite of the append-only file, which makes writes slower (copy on write)."""
    while redis.info("persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.1)


def _memory_row(redis: Redis) -> Row:
    """The server memory of a waiting job without its prompt."""
    queue = Queue("bare", connection=redis, serializer=JSONSerializer)
    count = 2 * FEW
    calls: tuple[Callable[[], Any], ...] = (
        lambda: [queue.enqueue(TASK, new_job_id()) for _ in range(count)],
        lambda: _fill(CallerJobs(JobTable(redis)), count),
    )
    used_bytes = []
    for call in calls:
        redis.execute_command("FLUSHALL", "SYNC")  # an asynchronous flush would free memory during the measurement
        before = redis.info("memory")["used_memory"]
        call()
        used_bytes.append((redis.info("memory")["used_memory"] - before) / count)
    prompt = len(REQUEST.prompt)
    redis.flushall()
    return row(
        "a waiting job, memory of Redis",
        ("bare RQ entry", "job without its prompt"),
        (used_bytes[0], used_bytes[1] - prompt),
        "B",
    )


def _fill(jobs: CallerJobs, count: int) -> None:
    for begin in range(0, count, BATCH):
        jobs.submit_all([_job(begin + index) for index in range(min(BATCH, count - begin))])


def _job(count: int) -> Job:
    return Job(id=new_job_id(), owner=f"caller-{count % CALLERS}", request=REQUEST, created_at=1.0)


def _cost(server: EmbeddedRedis, call: Callable[[], object]) -> Cost:
    costs = []
    for _ in range(ROUNDS):
        before, started = cpu_s(server), time.perf_counter()
        for _ in range(CALLS):
            call()
        wall_us = (time.perf_counter() - started) / CALLS * 1e6
        costs.append(Cost((cpu_s(server) - before) / CALLS * 1e6, wall_us))
    return Cost(min(cost.server_us for cost in costs), min(cost.wall_us for cost in costs))
