"""Tells Kubernetes what the deletion of this pod would interrupt: the annotation `pod-deletion-cost` of its own pod.

The cost of an idle worker is 0. That of a busy one is the minute in which its job is expected to end: of two busy pods
the one with less work left is deleted first. The cost stays right while time passes. A job needs at most two requests.
"""

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Self

import httpx
import structlog
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.errors import JobsError
from jobs.model.job import Job
from jobs.queue.load import Load, load_command
from jobs.redis.connection import redis_errors
from worker.supervisor.supervisor import Supervisor

log = structlog.get_logger()

ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MERGE_PATCH = "application/merge-patch+json"
CHECK_EVERY_S = 2.0
SEND_EVERY_S = 30.0  # each change is a write of the cluster; a short job has none
TIMEOUT_S = 10.0


class ClusterSettings(BaseSettings):
    """The address of the API of Kubernetes, which each container of a pod has in its environment."""

    model_config = SettingsConfigDict(env_prefix="KUBERNETES_", env_ignore_empty=True, frozen=True, extra="ignore")

    service_host: str | None = None
    service_port_https: int = 443


@dataclass(frozen=True)
class OwnPod:
    """This pod in the API of Kubernetes; `account` is the folder with token, authority and namespace."""

    url: str
    account: Path

    @classmethod
    def find(cls, account: Path = ACCOUNT) -> Self | None:
        """The pod of this process; None outside of a cluster or without a token."""
        cluster = ClusterSettings()
        if cluster.service_host is None or not (account / "token").exists():
            return None
        host = f"[{cluster.service_host}]" if ":" in cluster.service_host else cluster.service_host
        namespace = (account / "namespace").read_text().strip()
        path = f"/api/v1/namespaces/{namespace}/pods/{socket.gethostname()}"
        return cls(f"https://{host}:{cluster.service_port_https}{path}", account)

    def set_cost(self, cost: int) -> None:
        """Writes the annotation. Raises httpx.HTTPError, OSError."""
        token = (self.account / "token").read_text().strip()  # the cluster replaces it every hour
        trusted = ssl.create_default_context(cafile=self.account / "ca.crt")
        headers = {"authorization": f"Bearer {token}", "content-type": MERGE_PATCH}
        body = {"metadata": {"annotations": {ANNOTATION: str(cost)}}}
        with httpx.Client(verify=trusted, timeout=TIMEOUT_S, trust_env=False) as client:
            client.patch(self.url, json=body, headers=headers).raise_for_status()


class DeletionCost:
    """A thread that keeps the cost of this pod up to date, from `start` to `stop`. No error ends it or a job."""

    def __init__(self, supervisor: Supervisor, pod: OwnPod) -> None:
        self.supervisor, self.pod = supervisor, pod
        self._costs: tuple[str | None, int] = None, 0  # of the job with this id
        self._sent: int | None = None
        self._send_at = 0.0
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="deletion-cost", daemon=True)

    def start(self) -> None:
        """Sends changes until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; the pod ends, too, so its cost stays."""
        self._stopped.set()

    def fault(self) -> str | None:
        """Never a fault: without the cost the service works."""
        return None

    def update(self, now: float) -> None:
        """Sends the cost if it has changed, at most every `SEND_EVERY_S`; `now` is a monotonic time."""
        cost = self._cost()
        if cost == self._sent or now < self._send_at:
            return
        self._send_at = now + SEND_EVERY_S
        try:
            self.pod.set_cost(cost)
        except (httpx.HTTPError, OSError, ValueError) as error:
            log.warning("deletion_cost.not_sent", reason=str(error) or type(error).__name__)
        else:
            self._sent = cost

    def _cost(self) -> int:
        job = self.supervisor.running_job
        if job is None:
            return 0
        if self._costs[0] != job.id:
            self._costs = job.id, cost_of(job, self._expected_s)
        return self._costs[1]

    def _expected_s(self, job: Job) -> float | None:
        redis = self.supervisor.context.store.table.redis
        with suppress(JobsError), redis_errors():
            return Load.parsed(redis.eval(*load_command(job.request.model))).eta_s(job, None, 0.0)
        return None

    def _run(self) -> None:
        while not self._stopped.wait(CHECK_EVERY_S):
            try:
                self.update(time.monotonic())
            except Exception:  # it informs Kubernetes only
                log.exception("deletion_cost.failed")


def cost_of(job: Job, expected_s: Callable[[Job], float | None]) -> int:
    """The unix minute of the expected end; of the start, if no time of a video was measured. At least 1."""
    ends_at = (job.started_at or 0.0) + (expected_s(job) or 0.0)
    return max(1, int(ends_at // 60))


def own_deletion_cost(supervisor: Supervisor) -> list[DeletionCost]:
    """The thread of a worker with the setting; none without it, and none outside of a pod."""
    if supervisor.context.settings.pod_deletion_cost == "off":
        return []
    pod = OwnPod.find()
    if pod is None:
        log.warning("deletion_cost.off", reason="there is no API of Kubernetes or no token of a service account")
        return []
    return [DeletionCost(supervisor, pod)]
