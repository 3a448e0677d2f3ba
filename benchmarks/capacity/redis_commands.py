"""Commands of Redis for a heartbeat of a running job, without the processes that `costs.py` measures."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from benchmarks.submit import REQUEST
from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.job import Job, Result, new_job_id
from jobs.model.states import Phase
from jobs.store.callers.submission import CallerJobs
from jobs.store.leases import WorkerJobs
from jobs.store.transitions import JobTable

REPORTS, JOBS, HEARTBEATS = 10, 50, 100


def run_job(table: JobTable, heartbeats: int) -> None:
    """One job with ten reports of progress and some heartbeats, without tickets and API."""
    job = Job(id=new_job_id(), owner="caller", request=REQUEST, created_at=table.now())
    CallerJobs(table).submit_all([job])
    workers = WorkerJobs(table)
    first = workers.first_waiting(REQUEST.model)
    leased = workers.lease(first, "worker") if first else None
    if leased is None or leased.token is None:
        raise RuntimeError("the job does not wait")
    for step in range(REPORTS):
        workers.report(leased.id, leased.token, Phase.DENOISING, step, REPORTS)
    for _ in range(heartbeats):
        workers.heartbeat(leased.id, leased.token)
    result = Result(
        video_key=f"videos/{leased.id}",
        content_type="video/mp4",
        size_bytes=1,
        content_sha256="0" * 64,
        inference_time_s=1.0,
        peak_memory_mb=1.0,
        phase_seconds={"denoising": 1.0},
    )
    if not workers.complete(leased.id, leased.token, result):
        raise RuntimeError("the result was refused")


def commands(redis: Redis, table: JobTable, heartbeats: int, jobs: int) -> float:
    """Commands for a job, those inside of scripts included."""
    redis.config_resetstat()
    for _ in range(jobs):
        run_job(table, heartbeats)
    return sum(row["calls"] for row in redis.info("commandstats").values()) / jobs


def measure_heartbeat() -> float:
    """Commands for a heartbeat, on a server of its own."""
    with _table() as (redis, table):
        run_job(table, 0)
        base = commands(redis, table, 0, JOBS)
        return (commands(redis, table, HEARTBEATS, 5) - base) / HEARTBEATS


@contextmanager
def _table() -> Iterator[tuple[Redis, JobTable]]:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder), free_port()).start()
        try:
            with Redis.from_url(server.url) as redis:
                yield redis, JobTable(redis)
        finally:
            server.stop()
