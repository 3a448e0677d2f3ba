"""A worker that pauses for less than the time of a lease keeps its job."""

import os
import signal
import subprocess
from collections.abc import Callable

from redis import Redis

from jobs.model.job import Job
from jobs.model.states import Phase
from jobs.redis.keys import LEASES_KEY
from tests.integration.worker.supervisor.test_process import wait_until
from tests.job_store import JobStore
from worker.settings import WorkerSettings

LEASE_S, BEAT_S = 2.0, 0.5


def test_a_worker_that_is_stopped_just_before_a_heartbeat_holds_its_job_for_the_time_of_a_lease(
    start: Callable[..., "subprocess.Popen[str]"], submit: Callable[..., Job], store: JobStore, redis: Redis
) -> None:
    job = submit("slow")
    worker = start(lease_s=LEASE_S, beat_s=BEAT_S)

    def lease_end() -> float:
        return redis.zscore(LEASES_KEY, job.id) or 0.0

    wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
    wait_until(lambda: lease_end() - store.now() > LEASE_S + BEAT_S / 2)  # it begins when the next heartbeat is due
    os.kill(worker.pid, signal.SIGSTOP)
    ends = lease_end()
    wait_until(lambda: job.id in store.overdue())
    worker.send_signal(signal.SIGCONT)
    assert store.now() >= ends


def test_a_lease_begins_when_the_next_heartbeat_is_due(settings: WorkerSettings) -> None:
    changed = settings.model_copy(update={"lease_s": 8.0, "beat_s": 0.5})
    assert changed.renewed_lease_s == 8.5
