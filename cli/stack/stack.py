"""The complete service on one machine: starts, monitors, restarts and stops its child processes."""

import fcntl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Self

from cli.errors import StackFailed
from cli.settings import StackSettings
from cli.stack.disk import is_full, missing_space
from cli.stack.log_files import rotate_log
from cli.stack.ports import free_port, is_free
from cli.stack.process import ManagedProcess
from cli.stack.redis_server import EmbeddedRedis
from cli.stack.startup import IdleReport, StartupReport, api_state, keeper_state, read_json, worker_state
from cli.stack.tiny_model import ensure_model

POLL_INTERVAL_S = 0.2
READY_TIMEOUT_S = 600.0  # a large model loads for minutes
WORKER_STOP_TIMEOUT_S = 60.0  # longer than its drain
STOP_TIMEOUT_S = 25.0
KEEPER_PORT = "EASYANIMATE_KEEPER_METRICS_PORT"
HURRY_S = 5.0  # for all processes together, after a second signal
# Replaces settings of an installation in the environment, for a service of one command.
ISOLATED = {"EASYANIMATE_STORAGE": "local", "EASYANIMATE_API_KEYS": "", "EASYANIMATE_AUTH": "off"}


@dataclass(frozen=True)
class StackPlan:
    """Folders and addresses. Without `redis_url` the stack starts Redis.

    Without `logs`, keeper and worker write to stderr, and the API to `logs/api.log` of the data folder.
    """

    data_dir: Path
    models_dir: Path
    model: str
    port: int
    host: str = "127.0.0.1"
    redis_url: str | None = None
    logs: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def log_of(self, name: str) -> Path | None:
        """The file of the output of a process; None is stderr."""
        if self.logs is not None:
            return self.logs / f"{name}.log"
        return self.data_dir / "logs" / "api.log" if name == "api" else None

    @property
    def min_free_disk_bytes(self) -> int:
        """The free space without which no job is accepted."""
        value = self.environment.get("EASYANIMATE_MIN_FREE_DISK_BYTES")
        return int(value) if value else StackSettings.read().min_free_disk_bytes

    @property
    def spool_dir(self) -> Path:
        """The folder of the worker for unfinished videos, perhaps on another disk."""
        value = self.environment.get("EASYANIMATE_SPOOL_DIR")
        return Path(value) if value else StackSettings.read().spool_dir or self.data_dir / "spool"


class LocalStack:
    """The service runs from `start` to `stop`. Its data folder survives a restart."""

    def __init__(self, plan: StackPlan, notify: Callable[[str], None] = lambda _: None) -> None:
        self.plan = plan
        self.notify = notify
        self.redis: EmbeddedRedis | None = None
        self.children: dict[str, ManagedProcess] = {}
        self._lock: IO[str] | None = None
        self.is_stop_requested = False  # a plain value, which a signal handler can set
        self._kill_at = float("inf")
        self._keeper_url = ""
        self._is_closing = False
        self._is_closed = Event()
        self._restarting = Lock()
        self._watcher = Thread(target=self._watch, name="watcher", daemon=True)

    @property
    def url(self) -> str:
        """The URL of the API for clients on this machine."""
        return f"http://{_reachable(self.plan.host)}:{self.plan.port}"

    def start(self) -> Self:
        """Starts all processes and waits until jobs are accepted and processed. Raises StackFailed."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stops the worker, which finishes or requeues its job, then keeper, API and Redis. Can be called twice."""
        self._is_closing = True
        with self._restarting:  # no process is started from here on
            pass
        if (worker := self.children.get("worker")) is not None:
            worker.end(WORKER_STOP_TIMEOUT_S, self._is_kill_due)
        for name in ("keeper", "api"):
            if (child := self.children.get(name)) is not None:
                child.end(STOP_TIMEOUT_S, self._is_kill_due)
        if self.redis is not None:
            self.redis.stop()
        self._is_closed.set()
        if self._watcher.is_alive():
            self._watcher.join()
        if self._lock is not None:
            self._lock.close()

    def hurry(self) -> None:
        """Makes the worker requeue its job and ends all processes within seconds, while `stop` waits.

        A second call kills them. Safe in a signal handler.
        """
        self._kill_at = min(self._kill_at, time.monotonic() + HURRY_S) if self._kill_at == float("inf") else 0.0
        for child in self.children.values():
            child.terminate()

    def _is_kill_due(self) -> bool:
        return time.monotonic() >= self._kill_at

    def wait_for_stop_request(self) -> None:
        """Sleeps until `is_stop_requested` is set."""
        while not self.is_stop_requested:
            time.sleep(POLL_INTERVAL_S)

    # ---- start

    def _start(self) -> None:
        plan = self.plan
        if not is_free(plan.host, plan.port):
            raise StackFailed(f"port {plan.port} of {plan.host} is in use; choose another with --port")
        report = StartupReport(self.notify)
        self._prepare_folders()
        ensure_model(plan.models_dir, plan.model)
        redis_url = plan.redis_url or self._start_redis()
        if plan.redis_url is None:
            report.add({"Redis": None})
        environment = self._environment(redis_url)
        for name, module in (("api", "service"), ("keeper", "worker.keeper"), ("worker", "worker")):
            self.children[name] = ManagedProcess(name, module, environment, plan.log_of(name))
            self.children[name].start()
        self._wait_until_ready(report)
        self._watcher.start()

    def _prepare_folders(self) -> None:
        """Creates and locks the data folder, and checks its disk."""
        plan = self.plan
        try:
            plan.data_dir.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(plan.data_dir)
            for log in filter(None, map(plan.log_of, ("api", "keeper", "worker"))):
                log.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackFailed(f"the data folder {plan.data_dir} cannot be used: {error.strerror}") from error
        for folder, choice in ((plan.data_dir, "--data-dir"), (plan.spool_dir, "EASYANIMATE_SPOOL_DIR")):
            if problem := missing_space(folder, plan.min_free_disk_bytes):
                advice = f"delete files, choose another {choice}, or lower EASYANIMATE_MIN_FREE_DISK_BYTES"
                raise StackFailed(f"{problem}; {advice}")

    def _start_redis(self) -> str:
        self.redis = EmbeddedRedis(self.plan.data_dir / "redis", free_port())
        try:
            return self.redis.start(lambda: self.is_stop_requested).url
        except StackFailed as error:
            raise StackFailed(f"{error}{self._disk_note(str(error))}") from error

    def _environment(self, redis_url: str) -> dict[str, str]:
        plan, settings = self.plan, StackSettings.read()
        keeper_port = plan.environment.get(KEEPER_PORT) or settings.keeper_metrics_port or free_port()
        host = plan.environment.get("EASYANIMATE_METRICS_HOST") or settings.metrics_host
        self._keeper_url = f"http://{_reachable(host)}:{keeper_port}"
        return {
            **plan.environment,
            KEEPER_PORT: str(keeper_port),
            "EASYANIMATE_REDIS_URL": redis_url,
            "EASYANIMATE_DATA_DIR": str(plan.data_dir.resolve()),
            "EASYANIMATE_MODELS_DIR": str(plan.models_dir.resolve()),
            "EASYANIMATE_MODEL": plan.model,
            "EASYANIMATE_HOST": plan.host,
            "EASYANIMATE_PORT": str(plan.port),
        }

    def _wait_until_ready(self, report: StartupReport) -> None:
        """Waits until jobs are accepted, a worker serves the model and the keeper works."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        states: dict[str, str | None] = {}
        while time.monotonic() < deadline:
            states = self._states()
            if report.add(states):
                return
            for child in self.children.values():
                if child.exit_code is not None:
                    output = child.log_tail() or "see its output above"
                    text = f"the {child.name} ended with code {child.exit_code}: {output}"
                    raise StackFailed(f"{text}{self._disk_note(output)}")
            time.sleep(0.1)
            if self.is_stop_requested:
                raise StackFailed("stopped before it was ready")
        waiting = "; ".join(f"{name} {state}" for name, state in states.items() if state)
        raise StackFailed(f"the service was not ready after {READY_TIMEOUT_S:g} s: {waiting}")

    def _states(self) -> dict[str, str | None]:
        """For each process what it is doing, None when it is ready."""
        readiness = read_json(f"{self.url}/readyz")
        return {
            "API": api_state(readiness),
            "keeper": keeper_state(read_json(f"{self._keeper_url}/startupz")),
            "worker": worker_state(readiness, self.plan.model),
        }

    def _disk_note(self, output: str) -> str:
        return f"; the disk of {self.plan.data_dir} is full" if is_full(self.plan.data_dir, output) else ""

    # ---- monitoring

    def _watch(self) -> None:
        """Restarts dead processes. This thread ends last, because its children receive a signal when it ends."""
        idle = IdleReport(self.notify, self.plan.model, f"{self.url}/readyz")
        while not self._is_closed.wait(POLL_INTERVAL_S):
            with self._restarting:
                if not self._is_closing:
                    self._restart_dead()
                    self._rotate_logs()
            if not self._is_closing:
                idle.update()

    def _rotate_logs(self) -> None:
        for child in self.children.values():
            if child.log is not None:
                rotate_log(child.log)

    def _restart_dead(self) -> None:
        for child in self.children.values():
            code = child.restart_if_dead()
            if code is not None:
                place = f", see {child.log}" if child.log else ""
                note = self._disk_note(child.log_tail())
                self.notify(f"the {child.name} ended with code {code}{place}{note}; it is restarted")


def _reachable(host: str) -> str:
    """The address by which a client of this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104


def _lock(folder: Path) -> IO[str]:
    """Locks the data folder: two Redis servers would overwrite each other's files."""
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        message = f"another easyanimate uses the data folder {folder}; choose another with --data-dir"
        raise StackFailed(message) from error
    return file
