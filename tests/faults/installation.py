"""The whole service as real processes. Each of them can be killed, stopped or disconnected alone."""

import os
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import httpx
from redis import Redis

from cli.stack.ports import free_port
from cli.stack.process import ManagedProcess
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.job import Job
from jobs.model.states import Phase
from jobs.queue.registry import Registry
from jobs.redis.connection import connect
from jobs.settings import S3Settings, Settings
from jobs.storage.factory import open_storage
from tests.faults.receiver import Receiver
from tests.faults.tcp_proxy import TcpProxy
from tests.integration.jobs.storage.faulty_wire import Wire, faulty_wire
from tests.job_store import JobStore
from tests.s3_servers import seaweed

MODEL = "easyanimate-v3-tiny"
TIMEOUT_S = 240.0  # of each wait, long enough for a busy machine
SHORT_LEASE = {"LEASE_S": "4", "BEAT_S": "0.5", "SWEEP_S": "0.5"}
SETTINGS = {
    **SHORT_LEASE, "DRAIN_GRACE_S": "6", "CHECKPOINT_EVERY_S": "0", "CHECKPOINT_STORE_EVERY_S": "0.5",
    "WEBHOOK_ALLOW_PRIVATE": "true", "AUTH": "off", "RETENTION_SWEEP_S": "0.5", "PREEMPTION": "priority",
}  # fmt: skip
MODULES = {"api": "service", "keeper": "worker.keeper", "worker": "worker"}


def wait_until(holds: Callable[[], object], condition: str, timeout_s: float = TIMEOUT_S) -> None:
    """Polls `holds` until it returns a true value; `condition` describes it in the error message."""
    deadline = time.monotonic() + timeout_s
    while True:
        with suppress(Exception):  # the polled process may be down
            if holds():
                return
        assert time.monotonic() < deadline, f"{condition}: not true within {timeout_s:g} s"
        time.sleep(0.02)


class Installation:
    """Starts and stops all processes. `children` holds them by name: api, keeper, worker-0 and so on.

    Each process has its own proxy to Redis and, with S3 storage, to S3. The S3 requests of the workers also pass
    `wire`, an HTTP proxy. `skew` changes the clocks of workers and keeper. `settings` apply to all processes.
    `signalled` counts, by name, the processes on which a signal had its effect; engines count for their worker.
    """

    def __init__(
        self, folder: Path, models_dir: Path, workers: int = 2, *, on_s3: bool = False, **settings: str
    ) -> None:
        self.folder, self.models_dir, self.workers, self.on_s3 = folder, models_dir, workers, on_s3
        self.settings = SETTINGS | settings
        self.redis = EmbeddedRedis(folder / "redis", free_port())
        self.redis_proxies = {name: TcpProxy(self.redis.port) for name in ("api", "keeper", *self.worker_names)}
        self.s3_proxies: dict[str, TcpProxy] = {}
        self.wire = Wire("")
        self.receiver = Receiver()
        self.children: dict[str, ManagedProcess] = {}
        self.api_port = free_port()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.points = folder / "points"
        self.signalled: Counter[str] = Counter()
        self.killed_pids: set[int] = set()
        self.spool = folder / "data" / "spool"
        self._bucket: S3Settings | None = None
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts all processes and waits until they are ready. After an error, it stops the started ones."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self.points.mkdir(parents=True)
        self.skew(0.0)
        self._running.callback(self.receiver.close)
        self.redis.start()
        self._running.callback(self.redis.stop)
        self.store = JobStore(connect(self.redis.url, retries=5))
        self._running.callback(self.store.redis.close)
        if self.on_s3:
            self._start_s3()
        self.storage = open_storage(self._reachable_url())
        self._running.callback(self._kill_all)
        for name in ("api", "keeper", *self.worker_names):
            self.start_one(name)
        self.wait_for_workers()
        self.wait_for_api()

    def stop(self) -> None:
        """Stops all processes and closes the proxies."""
        self._running.close()
        for proxy in (*self.redis_proxies.values(), *self.s3_proxies.values()):
            proxy.close()

    @property
    def worker_names(self) -> list[str]:
        """The names of all workers, in the order of their numbers."""
        return [f"worker-{i}" for i in range(self.workers)]

    def _start_s3(self) -> None:
        (self.folder / "s3").mkdir()
        self._bucket = self._running.enter_context(seaweed(self.folder / "s3"))
        self.wire = self._running.enter_context(faulty_wire(str(self._bucket.endpoint_url)))
        port = _port_of(str(self._bucket.endpoint_url))
        self.s3_proxies = {"api": TcpProxy(port), "keeper": TcpProxy(port)}
        self.s3_proxies |= {name: TcpProxy(_port_of(self.wire.url)) for name in self.worker_names}

    def _reachable_url(self) -> Settings:
        return Settings(
            data_dir=self.folder / "data",
            storage="s3" if self._bucket else "local",
            s3=self._bucket or S3Settings(),
        )

    def _kill_all(self) -> None:
        for child in self.children.values():
            if child.process is not None:
                child.process.kill()
                child.process.wait()

    # ---- processes

    def start_one(self, name: str, **changes: str) -> None:
        """Starts or restarts a process. `changes` are environment variables of this start only."""
        kind = name.partition("-")[0]
        settings = self.settings | {"REDIS_URL": f"redis://127.0.0.1:{self.redis_proxies[name].port}/0"}
        settings |= {"DATA_DIR": str(self.folder / "data"), "MODELS_DIR": str(self.models_dir), "MODEL": MODEL}
        settings |= {"HOST": "127.0.0.1", "PORT": str(self.api_port), "CRASH_POINTS_DIR": str(self.points)}
        settings |= {"REUSE_WINDOWS": "off"}  # an undisturbed film has the same windows
        settings |= self._s3_of(name)
        environment = {f"EASYANIMATE_{key}": value for key, value in settings.items()}
        environment |= {"OMP_NUM_THREADS": "1", **self._clock_of(name), **changes}
        self.children[name] = ManagedProcess(name, MODULES[kind], environment, self.folder / f"{name}.log")
        self.children[name].start()

    def skew(self, seconds: float) -> None:
        """Sets the error of the wall clocks of workers and keeper."""
        for name in ("keeper", *self.worker_names):
            if not self._clock(name).exists():
                self._clock(name).write_bytes(bytes(16))
            with self._clock(name).open("r+b") as file:  # the processes map this file
                file.write(struct.pack("d", seconds))

    def wrong_times(self, name: str) -> int:
        """Counts the times that this process and its engine have read from a skewed clock."""
        return int(struct.unpack("dq", self._clock(name).read_bytes())[1])

    def _clock(self, name: str) -> Path:
        return self.folder / f"{name}.clock"

    def _clock_of(self, name: str) -> dict[str, str]:
        folder = str(Path(__file__).with_name("skewed_clock"))
        return {} if name == "api" else {"PYTHONPATH": folder, "SKEWED_CLOCK": str(self._clock(name))}

    def _s3_of(self, name: str) -> dict[str, str]:
        if self._bucket is None or self._bucket.secret_access_key is None:
            return {}
        return {
            "STORAGE": "s3",
            "S3__BUCKET": self._bucket.bucket,
            "S3__ENDPOINT_URL": f"http://127.0.0.1:{self.s3_proxies[name].port}",
            "S3__ACCESS_KEY_ID": str(self._bucket.access_key_id),
            "S3__SECRET_ACCESS_KEY": self._bucket.secret_access_key.get_secret_value(),
            "S3__ADDRESSING_STYLE": "path",
        }

    def pid(self, name: str) -> int:
        """The id of a running process."""
        process = self.children[name].process
        assert process is not None
        return process.pid

    def kill(self, name: str) -> None:
        """Kills a process with SIGKILL and counts the kill if that signal ended it."""
        self.killed_pids.add(self.pid(name))
        self.signal(name, signal.SIGKILL)
        self.signalled[name] += self.exit_code(name) == -signal.SIGKILL

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a process."""
        process = self.children[name].process
        assert process is not None
        process.send_signal(number)

    def exit_code(self, name: str, timeout_s: float = TIMEOUT_S) -> int:
        """Waits for the end of a process and returns its exit code."""
        process = self.children[name].process
        assert process is not None
        return process.wait(timeout_s)

    def kill_redis(self) -> None:
        """Kills Redis with SIGKILL, after its buffered writes have been written to the file."""
        assert self.redis.process is not None
        with Redis.from_url(self.redis.url) as redis:
            while redis.info("persistence")["aof_buffer_length"]:  # writes that a busy disk delays
                time.sleep(0.001)
        self.redis.process.kill()
        self.signalled["redis"] += self.redis.process.wait() == -signal.SIGKILL

    def engines_of(self, name: str) -> list[int]:
        """The ids of the engine processes of this worker."""
        pid = self.pid(name)
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def repair_all(self) -> None:
        """Repairs all faults."""
        self.resume()
        self.wire.permanent = ()
        self.skew(0.0)
        for proxy in (*self.redis_proxies.values(), *self.s3_proxies.values()):
            proxy.repair()
        if self.redis.process is not None and self.redis.process.poll() is not None:
            self.redis.start()
        for name, child in self.children.items():
            if child.exit_code is not None:
                self.start_one(name)
            else:
                self.signal(name, signal.SIGCONT)

    def wait_for_api(self) -> None:
        """Waits until the front end is ready."""
        wait_until(lambda: httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200, "the API is ready")

    def wait_for_workers(self) -> None:
        """Waits until all workers are registered and dead workers are removed from the registry."""
        registry = Registry(self.store.redis)
        wait_until(
            lambda: self.announced() == self.worker_names and registry.live_workers(MODEL) >= self.workers,
            "all workers are registered",
        )

    def announced(self) -> list[str]:
        """The names of the running workers that have registered their loaded model."""
        result = self.store.redis.zrange(f"model:{MODEL}:workers", 0, -1)
        pids = {pid_of(name.decode()) for name in result}  # type: ignore[union-attr]
        return [name for name in self.worker_names if self.pid(name) in pids]

    # ---- crash points

    def crash_at(self, point: str) -> None:
        """Kills the next process that reaches this point."""
        (self.points / point).touch()

    def hold_at(self, point: str) -> None:
        """Holds the next process that reaches this point until `resume`."""
        (self.points / point).write_text("wait")

    def wait_for_held(self, point: str) -> None:
        """Waits until a process is held at this crash point."""
        wait_until((self.points / f"{point}.held").exists, f"a process reaches {point}")

    def resume(self) -> None:
        """Releases held processes and removes all crash points."""
        for file in self.points.iterdir():
            file.unlink(missing_ok=True)

    # ---- jobs

    def submit(self, request: dict[str, Any], key: str | None = None) -> str:
        """Submits a request; returns the id of the job.

        Raises AssertionError or httpx.HTTPError if the API does not accept it.
        """
        prompt = {} if "shots" in request else {"prompt": "a red ball"}
        body = {**prompt, **request, "webhook": {"url": self.receiver.url}}
        headers = {"Idempotency-Key": key} if key else {}
        response = httpx.post(f"{self.url}/v1/videos", json=body, headers=headers, timeout=30)
        assert response.status_code in (200, 202), response.text
        return str(response.json()["id"])

    def promote(self, job_id: str) -> str:
        """Promotes a draft; returns the id of the new job."""
        body = {"webhook": {"url": self.receiver.url}}
        response = httpx.post(f"{self.url}/v1/videos/{job_id}/promote", json=body, timeout=30)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    def get(self, job_id: str) -> Job:
        """The record of a job."""
        return self.store.get(job_id)

    def wait_for(self, job_id: str, phase: Phase, step: int = 0) -> None:
        """Waits until the job has reached this step of this phase."""

        def is_reached() -> bool:
            job = self.get(job_id)
            return job.state.is_final or (job.phase is phase and job.step >= step)

        wait_until(is_reached, f"{job_id} is in phase {phase}")
        assert self.get(job_id).phase is phase, f"{job_id} left the phase {phase} before the check"

    def worker_of(self, job_id: str) -> str:
        """The name of the worker that runs this job."""
        pid = pid_of(self.get(job_id).worker or "")
        return next(name for name in self.children if self.pid(name) == pid)

    def wait_for_end(self, job_id: str) -> Job:
        """Waits until the job is final; returns its record."""
        wait_until(lambda: self.get(job_id).state.is_final, f"{job_id} is final")
        return self.get(job_id)

    def spool_files(self) -> Iterator[Path]:
        """The files in the spool, except the locks of running workers."""
        for path in self.spool.rglob("*") if self.spool.is_dir() else ():
            is_lock = path.name == "lock" and any(f"-{self.pid(name)}-" in str(path) for name in self.worker_names)
            if path.is_file() and not is_lock:
                yield path


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def pid_of(worker: str) -> int:
    """The id of the process of a worker with this name in the registry."""
    return int(worker.rsplit("-", 2)[1])


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped by a signal."""
    return _process_state(pid) == "T"


def has_ended(pid: int) -> bool:
    """Whether the process has ended; its parent may not have noticed yet."""
    return not Path(f"/proc/{pid}").exists() or _process_state(pid) == "Z"


def _process_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def send(pids: list[int], number: signal.Signals) -> None:
    """Sends a signal to each process."""
    for pid in pids:
        os.kill(pid, number)
