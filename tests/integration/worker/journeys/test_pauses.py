"""A worker that pauses for less than the time of a lease keeps its job."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

from redis import Redis

from jobs.model.job import Job
from jobs.model.states import Phase
from jobs.redis.keys import LEASES_KEY
from tests.integration.worker.supervisor.test_process import wait_until
from tests.job_store import JobStore
from worker.settings import WorkerSettings

LEASE_S, BEAT_S = 2.0, 0.5
MARGIN_S = 0.25  # for the scheduler of a busy machine


def test_a_worker_that_is_stopped_just_before_a_heartbeat_holds_its_job_for_the_time_of_a_lease(
    start: Callable[..., "subprocess.Popen[str]"], submit: Callable[..., Job], store: JobStore, redis: Redis
) -> None:
    job = submit("slow")
    worker = start(lease_s=LEASE_S, beat_s=BEAT_S)

    def lease_end() -> float:
        return redis.zscore(LEASES_KEY, job.id) or 0.0

    wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
    ends = lease_end()
    wait_until(lambda: lease_end() > ends)
    time.sleep(0.9 * BEAT_S)
    stopped_at = store.now()
    os.kill(worker.pid, signal.SIGSTOP)
    wait_until(lambda: job.id in store.overdue())
    held_s = store.now() - stopped_at
    worker.send_signal(signal.SIGCONT)
    assert held_s >= LEASE_S - MARGIN_S


def test_a_lease_begins_when_the_next_heartbeat_is_due(settings: WorkerSettings) -> None:
    changed = settings.model_copy(update={"lease_s": 8.0, "beat_s": 0.5})
    assert changed.renewed_lease_s == 8.5
