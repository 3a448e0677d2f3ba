"""`python -m benchmarks.capacity.load_test`: many workers without a model at a real Redis, API and keeper.

The first load arrives at random times, and one process of workers is killed in the middle. The second one is requested
as fast as the API accepts it. Each job is then read from Redis. A job that is lost or that ended twice is an error. The
table goes to docs/operations/scaling.md.
"""

import argparse
import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any, cast

import httpx
from redis import Redis

from benchmarks.capacity.__main__ import PAGE, table, write
from benchmarks.capacity.endings import Endings, read_endings
from benchmarks.capacity.installation import Installation, installation

CONNECTIONS, READERS = 16, 4
READ_PAUSE_S = 0.05  # of each reader between two requests
REFUSED_PAUSE_S = 1.0
REPEATED = (409, 429, 503)  # 409: the same request, whose answer did not arrive in time, is still running
END_TIMEOUT_S = 900.0
SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class LoadPlan:
    """A load of `jobs` of `steps` steps: `rate` per second at random times, or all at once; `kill` in its middle."""

    name: str
    jobs: int
    steps: int
    rate: float | None = None
    kill: bool = False


@dataclass
class Measured:
    """What one load did; times in seconds."""

    endings: Endings
    seconds: float
    submits_s: list[float] = field(default_factory=list)
    reads_s: list[float] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)
    commands: int = 0
    refused: int = 0


class LoadClient:
    """Requests jobs and reads their records over HTTP until all have ended."""

    def __init__(self, client: httpx.AsyncClient, plan: LoadPlan, on_middle: Callable[[], None]) -> None:
        self.client, self.plan, self.on_middle = client, plan, on_middle
        self.accepted: list[str] = []
        self.unfinished: dict[str, None] = {}  # in the order of their requests
        self.submits_s: list[float] = []
        self.reads_s: list[float] = []
        self.refused = 0  # answers of `REPEATED` and broken connections, after which the same request is sent again

    async def run(self) -> None:
        """Returns when the records of all jobs are final. Raises TimeoutError, httpx.HTTPError."""
        async with asyncio.timeout(END_TIMEOUT_S), asyncio.TaskGroup() as tasks:
            submits = [tasks.create_task(work) for work in self._submits()]
            for _ in range(READERS):
                tasks.create_task(self._read(submits))

    def _submits(self) -> Sequence[Awaitable[None]]:
        numbers = count()
        if self.plan.rate is None:
            return [self._submit_at_once(numbers) for _ in range(CONNECTIONS)]
        return [self._submit_at_random_times(self.plan.rate, Random(7))]

    async def _submit_at_once(self, numbers: "count[int]") -> None:
        while next(numbers) < self.plan.jobs:
            await self._submit()

    async def _submit_at_random_times(self, rate: float, random: Random) -> None:
        at = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.plan.jobs):
                at += random.expovariate(rate)
                await asyncio.sleep(max(0.0, at - time.monotonic()))
                tasks.create_task(self._submit())
                if number == self.plan.jobs // 2:
                    self.on_middle()

    async def _submit(self) -> None:
        body = {"prompt": "a red ball", "num_inference_steps": self.plan.steps}
        headers = {"Idempotency-Key": secrets.token_hex(12)}
        job_id = (await self._answer(self.submits_s, "POST", "/v1/videos", json=body, headers=headers))["id"]
        self.accepted.append(job_id)
        self.unfinished[job_id] = None

    async def _answer(self, seconds: list[float], method: str, path: str, **options: Any) -> dict[str, Any]:
        """The JSON of a successful answer, whose time is added to `seconds`. A refused request is sent again."""
        while True:
            started = time.perf_counter()
            try:
                response = await self.client.request(method, path, **options)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code not in REPEATED:
                seconds.append(time.perf_counter() - started)
                return dict(response.raise_for_status().json())
            self.refused += 1
            await asyncio.sleep(REFUSED_PAUSE_S)

    async def _read(self, submits: "Sequence[asyncio.Task[None]]") -> None:
        """Reads the oldest unfinished record, and puts it behind the others."""
        while self.unfinished or not all(task.done() for task in submits):
            await asyncio.sleep(READ_PAUSE_S)
            if not self.unfinished:
                continue
            job_id = next(iter(self.unfinished))
            del self.unfinished[job_id]
            record = await self._answer(self.reads_s, "GET", f"/v1/videos/{job_id}")
            if record["status"] not in ("completed", "failed"):
                self.unfinished[job_id] = None


def measure(running: Installation, plan: LoadPlan) -> Measured:
    """Applies one load and reads how each of its jobs ended."""
    with Redis.from_url(running.front_ends.redis.url) as redis:
        redis.config_resetstat()

        def on_middle() -> None:
            if plan.kill:
                running.kill_workers()
                running.start_workers()

        before, started = running.cpu_s(), time.monotonic()
        load = asyncio.run(_apply(running, plan, on_middle))
        seconds = time.monotonic() - started
        used = {name: value - before[name] for name, value in running.cpu_s().items()}
        rows = cast(dict[str, dict[str, int]], redis.info("commandstats")).values()
        commands = sum(row["calls"] for row in rows)
        endings = read_endings(redis, load.accepted, plan.steps * running.step_s)
        return Measured(endings, seconds, load.submits_s, load.reads_s, used, commands, load.refused)


async def _apply(running: Installation, plan: LoadPlan, on_middle: Callable[[], None]) -> LoadClient:
    headers = {"Authorization": f"Bearer {running.front_ends.secret}"}
    async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=60, trust_env=False) as client:
        load = LoadClient(client, plan, on_middle)
        await load.run()
        return load


def percentiles(values: Sequence[float], unit_s: float = 1.0, unit: str = "s") -> str:
    """The 50th, 95th and 99th percentile as text."""
    ordered = sorted(values)
    if not ordered:
        return "none"
    found = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] / unit_s for share in SHARES]
    return " / ".join(f"{value:.0f}" if value >= 10 else f"{value:.2g}" for value in found) + f" {unit}"


def rows_of(measured: Measured, plan: LoadPlan) -> dict[str, Any]:
    """The rows of one load in the table."""
    endings = measured.endings
    cpu = {name: value for name, value in measured.cpu_s.items() if not (plan.kill and name == "workers")}
    return {
        "jobs accepted": f"{endings.accepted:,}",
        "completed": f"{endings.completed:,}",
        "failed": endings.failed,
        "lost": endings.lost,
        "ended twice": endings.twice,
        "attempts that another worker repeated": endings.repeated,
        "requests refused and sent again": measured.refused,
        "seconds from the first request to the last end": f"{measured.seconds:.0f}",
        "jobs per second": f"{endings.accepted / measured.seconds:.1f}",
        "`POST`, p50 / p95 / p99": percentiles(measured.submits_s, 1e-3, "ms"),
        "`GET`, p50 / p95 / p99": percentiles(measured.reads_s, 1e-3, "ms"),
        "wait until the start, p50 / p95 / p99": percentiles(endings.waits_s),
        "start to completion without the steps, p50 / p95 / p99": percentiles(endings.overheads_s),
        "commands of Redis per second": f"{measured.commands / measured.seconds:,.0f}",
        **{f"CPU of {name} per job": f"{1000 * value / endings.accepted:.0f} ms" for name, value in cpu.items()},
    }


def report(results: dict[str, dict[str, Any]], description: str) -> str:
    """The table with a column for each load, and the conditions of the run."""
    names = list(dict.fromkeys(name for rows in results.values() for name in rows))
    lines = [[name, *(rows.get(name, "not measured") for rows in results.values())] for name in names]
    return f"{description}\n\n{table(['what', *results], lines)}"


def conditions(workers: int, processes: int) -> str:
    """Where and when this was measured."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return (
        f"{workers} workers in {processes} processes on {os.cpu_count()} CPUs, which also run the other processes; "
        f"commit {commit}, {datetime.now(UTC):%d %B %Y}, load average {os.getloadavg()[1]:.0f} at the end."
    )


def main() -> None:
    """Applies two loads to an installation and writes the table to the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity.load_test", description=__doc__)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=400, help="jobs of each load")
    parser.add_argument("--step-s", type=float, default=6.0, help="seconds of a step")
    parser.add_argument("--utilisation", type=float, default=0.7, help="of the workers by the first load")
    parser.add_argument("--dry-run", action="store_true", help="print the table only")
    options = parser.parse_args()
    each = options.workers // options.processes
    rate = options.utilisation * options.workers / (10 * options.step_s)
    plans = [
        LoadPlan("arrivals at random times", options.jobs, 10, rate, kill=True),
        LoadPlan("at once", options.jobs, 1),
    ]
    results, faults = {}, 0
    with installation(options.processes, each, options.step_s) as running:
        for plan in plans:
            measured = measure(running, plan)
            faults += measured.endings.lost + measured.endings.twice
            results[plan.name] = rows_of(measured, plan)
            sys.stderr.write(f"{plan.name}: {results[plan.name]}\n")
    text = report(results, conditions(each * options.processes, options.processes))
    sys.stdout.write(text + "\n")
    if not options.dry_run:
        write(PAGE, {"load-test": text})
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
