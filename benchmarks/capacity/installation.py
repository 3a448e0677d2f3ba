"""An installation with workers without a model: Redis, one front end, a keeper, and processes of many workers."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis

from benchmarks.cpu_clock import cpu_us
from benchmarks.front_ends import CARD, FrontEnds, running
from cli.stack.process import end_process, start_program
from jobs.queue.registry import Registry

START_TIMEOUT_S, STOP_TIMEOUT_S = 300.0, 60.0


@dataclass
class Installation:
    """The running processes. `workers` are processes of `each` workers, which wait `step_s` for a step."""

    front_ends: FrontEnds
    environment: Mapping[str, str]
    step_s: float
    each: int
    keeper: "subprocess.Popen[bytes]"
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address of the API."""
        return self.front_ends.urls[0]

    @property
    def folder(self) -> Path:
        """The folder of all data and logs."""
        return self.front_ends.folder

    def start_workers(self) -> None:
        """Starts one more process of workers."""
        arguments = ["-m", "benchmarks.capacity.light_worker", str(self.each), str(self.step_s)]
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(start_program([sys.executable, *arguments], dict(self.environment), log))

    def wait_for_workers(self, redis: Redis, count: int) -> None:
        """Waits until so many workers are announced. Raises RuntimeError if they are not in time."""
        deadline, registry = time.monotonic() + START_TIMEOUT_S, Registry(redis)
        registry.withdraw(CARD.name, "bench")  # the announcement that the front ends needed
        while registry.live_workers(CARD.name) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {registry.live_workers(CARD.name)} of {count} workers are announced")
            time.sleep(0.2)

    def kill_workers(self) -> None:
        """Kills the oldest process of workers in the middle of its jobs."""
        self.workers[0].kill()
        self.workers.pop(0).wait()

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU so far, by the kind of process."""
        api, redis = self.front_ends.cpu_us()
        workers = sum(cpu_us(worker.pid) for worker in self.workers)
        return {
            "API": api / 1e6,
            "Redis": redis / 1e6,
            "keeper": cpu_us(self.keeper.pid) / 1e6,
            "workers": workers / 1e6,
        }


@contextmanager
def installation(
    processes: int, each: int, step_s: float, settings: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """The installation with `processes` of `each` workers; `settings` are more variables of all processes."""
    with running(1, settings) as front_ends, ExitStack() as stack:
        environment = {
            "EASYANIMATE_REDIS_URL": front_ends.redis.url,
            "EASYANIMATE_DATA_DIR": str(front_ends.folder),
            "EASYANIMATE_MODELS_DIR": str(front_ends.folder / "models"),
            "EASYANIMATE_MIN_FREE_DISK_BYTES": "0",
            **(settings or {}),
        }
        (front_ends.folder / "models").mkdir()
        log = front_ends.folder / "keeper.log"
        keeper = start_program([sys.executable, "-m", "worker.keeper"], environment, log)
        stack.callback(end_process, keeper, STOP_TIMEOUT_S)
        started = Installation(front_ends, environment, step_s, each, keeper)
        for _ in range(processes):
            started.start_workers()
        try:
            with Redis.from_url(front_ends.redis.url) as redis:
                started.wait_for_workers(redis, processes * each)
            yield started
        finally:
            for worker in started.workers:
                worker.terminate()
            for worker in started.workers:
                end_process(worker, STOP_TIMEOUT_S)
