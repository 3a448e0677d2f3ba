"""The complete service on one machine: starts, monitors, restarts and stops its child processes."""

import fcntl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Self

import httpx

from cli.errors import StackFailed
from cli.stack.ports import free_port, is_free
from cli.stack.process import ManagedProcess
from cli.stack.redis_server import EmbeddedRedis
from cli.stack.tiny_model import ensure_model

POLL_INTERVAL_S = 0.2
READY_TIMEOUT_S = 600.0  # a large model loads for minutes
WORKER_STOP_TIMEOUT_S = 60.0  # longer than its drain
STOP_TIMEOUT_S = 25.0
# Replaces settings of an installation in the environment, for a service of one command.
ISOLATED = {"EASYANIMATE_STORAGE": "local", "EASYANIMATE_API_KEYS": "", "EASYANIMATE_AUTH": "off"}


@dataclass(frozen=True)
class StackPlan:
    """Folders and addresses. Without `redis_url` the stack starts Redis; without `logs` it writes to stderr."""

    data_dir: Path
    models_dir: Path
    model: str
    port: int
    host: str = "127.0.0.1"
    redis_url: str | None = None
    logs: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class LocalStack:
    """The service runs from `start` to `stop`. Its data folder survives a restart."""

    def __init__(self, plan: StackPlan, notify: Callable[[str], None] = lambda _: None) -> None:
        self.plan = plan
        self.notify = notify
        self.redis: EmbeddedRedis | None = None
        self.children: dict[str, ManagedProcess] = {}
        self._lock: IO[str] | None = None
        self.is_stop_requested = False  # a plain value, which a signal handler can set
        self._is_closing = False
        self._is_closed = Event()
        self._restarting = Lock()
        self._watcher = Thread(target=self._watch, name="watcher", daemon=True)

    @property
    def url(self) -> str:
        """The URL of the API for clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.plan.host, self.plan.host)  # noqa: S104
        return f"http://{host}:{self.plan.port}"

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
            worker.end(WORKER_STOP_TIMEOUT_S)
        for name in ("keeper", "api"):
            if (child := self.children.get(name)) is not None:
                child.end(STOP_TIMEOUT_S)
        if self.redis is not None:
            self.redis.stop()
        self._is_closed.set()
        if self._watcher.is_alive():
            self._watcher.join()
        if self._lock is not None:
            self._lock.close()

    def requeue_job(self) -> None:
        """Makes the worker requeue its job immediately, while `stop` waits."""
        if (worker := self.children.get("worker")) is not None:
            worker.terminate()

    def wait_for_stop_request(self) -> None:
        """Sleeps until `is_stop_requested` is set."""
        while not self.is_stop_requested:
            time.sleep(POLL_INTERVAL_S)

    # ---- start

    def _start(self) -> None:
        plan = self.plan
        if not is_free(plan.host, plan.port):
            raise StackFailed(f"port {plan.port} of {plan.host} is in use; choose another with --port")
        plan.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(plan.data_dir)
        if plan.logs:
            plan.logs.mkdir(parents=True, exist_ok=True)
        ensure_model(plan.models_dir, plan.model)
        if not (redis_url := plan.redis_url):
            self.redis = EmbeddedRedis(plan.data_dir / "redis", free_port())
            redis_url = self.redis.start().url
        for name, module in (("api", "service"), ("keeper", "worker.keeper"), ("worker", "worker")):
            log = plan.logs / f"{name}.log" if plan.logs else None
            self.children[name] = ManagedProcess(name, module, self._environment(redis_url), log)
            self.children[name].start()
        self._wait_until_ready()
        self._watcher.start()

    def _environment(self, redis_url: str) -> dict[str, str]:
        plan = self.plan
        return {
            **plan.environment,
            "EASYANIMATE_REDIS_URL": redis_url,
            "EASYANIMATE_DATA_DIR": str(plan.data_dir.resolve()),
            "EASYANIMATE_MODELS_DIR": str(plan.models_dir.resolve()),
            "EASYANIMATE_MODEL": plan.model,
            "EASYANIMATE_HOST": plan.host,
            "EASYANIMATE_PORT": str(plan.port),
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._is_ready():
                return
            for child in self.children.values():
                if child.exit_code is not None:
                    output = child.log_tail() or "see its output above"
                    raise StackFailed(f"the {child.name} ended with code {child.exit_code}: {output}")
            time.sleep(0.1)
            if self.is_stop_requested:
                raise StackFailed("stopped before it was ready")
        raise StackFailed(f"the service was not ready after {READY_TIMEOUT_S:g} s")

    def _is_ready(self) -> bool:
        """Whether jobs are accepted and a worker serves the model."""
        try:
            response = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False)  # never by a proxy
            return response.status_code == 200 and response.json()["workers"].get(self.plan.model, 0) > 0
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    # ---- monitoring

    def _watch(self) -> None:
        """Restarts dead processes. This thread ends last, because its children receive a signal when it ends."""
        while not self._is_closed.wait(POLL_INTERVAL_S):
            with self._restarting:
                if not self._is_closing:
                    self._restart_dead()

    def _restart_dead(self) -> None:
        for child in self.children.values():
            code = child.restart_if_dead()
            if code is not None:
                self.notify(f"the {child.name} ended with code {code}; it is restarted")


def _lock(folder: Path) -> IO[str]:
    """Locks the data folder: two Redis servers would overwrite each other's files."""
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        message = f"another easyanimate uses the data folder {folder}; choose another with --data-dir"
        raise StackFailed(message) from error
    return file
