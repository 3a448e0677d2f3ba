"""Faults around the jobs: connections of API and keeper, a full disk, and a rolling restart under load."""

import signal
import time
from statistics import median

import httpx

from jobs.model.states import State
from tests.faults.installation import MODEL, Installation, wait_until
from tests.faults.invariants import Invariants, Request
from tests.faults.scenario import IMAGE, LONG, SMALL, Outcome, steps_repeated
from tests.faults.tcp_proxy import Mode, TcpProxy

RESPONSE_TIMEOUT_S = 60.0  # the API reports each fault to the caller within a minute
BRIEF: Request = LONG | {"num_inference_steps": 40}
WAITING_JOBS = 4  # in addition to one for each worker, during a rolling restart


def api_without_redis(mode: Mode, installation: Installation, invariants: Invariants) -> list[Outcome]:
    """The API answers 503 with Retry-After. The same request after the repair creates one job."""
    return [
        _refused_then_accepted(
            installation, invariants, installation.redis_proxies["api"], mode, "Redis", SMALL, "queue_unavailable"
        )
    ]


def api_without_s3(mode: Mode, installation: Installation, invariants: Invariants) -> list[Outcome]:
    """The API cannot store an image and answers 503. It accepts the image after the repair."""
    request = SMALL | {"image": IMAGE}
    return [
        _refused_then_accepted(
            installation, invariants, installation.s3_proxies["api"], mode, "S3", request, "storage_unavailable"
        )
    ]


def _refused_then_accepted(
    installation: Installation,
    invariants: Invariants,
    proxy: TcpProxy,
    mode: Mode,
    dependency: str,
    request: Request,
    code: str,
) -> Outcome:
    invariants.record_expected(request)
    before = proxy.hits
    key = f"{dependency} {mode} {time.monotonic()}"
    proxy.inject(mode)
    try:
        body = {"prompt": "a red ball", **request, "webhook": {"url": installation.receiver.url}}
        headers = {"Idempotency-Key": key}
        response = httpx.post(f"{installation.url}/v1/videos", json=body, headers=headers, timeout=RESPONSE_TIMEOUT_S)
        assert (response.status_code, response.json()["error"]["code"]) == (503, code), response.text
        assert int(response.headers["retry-after"]) <= 60
        assert httpx.get(f"{installation.url}/readyz", timeout=RESPONSE_TIMEOUT_S).status_code == 503
    finally:
        proxy.repair()
    hits = proxy.hits - before
    repaired_at = time.monotonic()
    ids: set[str] = set()
    wait_until(lambda: ids.add(installation.submit(request, key)) or ids, "the request is accepted")
    recovered_s = round(time.monotonic() - repaired_at, 1)
    assert ids == {installation.submit(request, key)}
    invariants.check(ids.pop(), request)
    invariants.check_installation()
    return Outcome(f"API and {dependency}: {mode}", "submit", recovered_s, 1, None, hits)


def keeper_without_redis(mode: Mode, installation: Installation, invariants: Invariants) -> list[Outcome]:
    """A worker is killed while the keeper is disconnected. The job resumes after the keeper reconnects."""
    invariants.record_expected(LONG)
    job_id = installation.submit(LONG)
    wait_until(lambda: installation.get(job_id).step > 2, "the job runs")
    proxy = installation.redis_proxies["keeper"]
    before = proxy.hits
    proxy.inject(mode)
    name = installation.worker_of(job_id)
    installation.kill(name)
    time.sleep(2 * installation.store.table.lease_s if mode is Mode.CUT else 5.0)
    proxy.repair()
    hits = proxy.hits - before
    repaired_at = time.monotonic()
    wait_until(lambda: len(installation.store.attempts(job_id)) > 1, "another worker runs the job")
    recovered_s = round(time.monotonic() - repaired_at, 1)
    installation.start_one(name)
    invariants.check(job_id, LONG)
    invariants.check_installation()
    return [Outcome(f"keeper and Redis: {mode}, a worker killed meanwhile", "denoising", recovered_s, 2, None, hits)]


def rolling_restart(installation: Installation, invariants: Invariants) -> list[Outcome]:
    """Restarts the workers one after the other while jobs wait in the queue. No job loses an attempt."""
    invariants.record_expected(BRIEF)
    ids = [installation.submit(BRIEF) for _ in range(installation.workers + WAITING_JOBS)]
    stop_times_s = []
    for name in installation.worker_names:
        wait_until(
            lambda: installation.store.running() == installation.workers or not installation.store.queue_depth(MODEL),
            "all workers run jobs",
        )
        signalled_at = time.monotonic()
        installation.signal(name, signal.SIGTERM)
        assert installation.exit_code(name) == 0
        stop_times_s.append(time.monotonic() - signalled_at)
        installation.start_one(name)
    for job_id in ids:
        invariants.check(job_id, BRIEF)
    invariants.check_installation()
    attempts = [installation.store.attempts(job_id) for job_id in ids]
    assert {installation.get(job_id).attempt for job_id in ids} == {1}, "a restart cost an attempt"
    repeated = sum(map(steps_repeated, attempts))
    assert repeated <= installation.workers, f"{repeated} steps were repeated"
    name = f"rolling restart of {installation.workers} workers with {len(ids)} jobs"
    return [
        Outcome(
            name,
            "each worker's end",
            round(median(stop_times_s), 1),
            max(map(len, attempts)),
            repeated,
            len(stop_times_s),
        )
    ]


def spool_full(installation: Installation, invariants: Invariants) -> list[Outcome]:
    """A worker with a full disk leases no job; a worker with free space does."""
    invariants.record_expected(SMALL)
    name, others = installation.worker_names[0], installation.worker_names[1:]
    installation.kill(name)
    for other in others:
        installation.signal(other, signal.SIGTERM)
    for other in others:
        installation.exit_code(other)
    installation.start_one(name, EASYANIMATE_MIN_FREE_DISK_BYTES=str(1 << 62))
    log = installation.folder / f"{name}.log"
    wait_until(lambda: b"disk.full" in log.read_bytes(), "the worker reports a full disk")
    job_id = installation.submit(SMALL)
    time.sleep(3.0)
    assert installation.get(job_id).state is State.QUEUED
    hits = log.read_bytes().count(b"disk.full")
    started = time.monotonic()
    installation.start_one(others[0])
    wait_until(lambda: installation.get(job_id).state is not State.QUEUED, "the worker with free space leases the job")
    recovered_s = round(time.monotonic() - started, 1)
    installation.kill(name)
    for other in (name, *others[1:]):
        installation.start_one(other)
    invariants.check(job_id, SMALL)
    invariants.check_installation()
    return [Outcome("disk of the spool full", "queued", recovered_s, 1, None, hits)]


RUNS = [
    *(
        (
            f"{run.__name__} {mode}",
            lambda installation, invariants, run=run, mode=mode: run(mode, installation, invariants),
        )
        for run in (api_without_redis, api_without_s3, keeper_without_redis)
        for mode in (Mode.CUT, Mode.SILENT)
    ),
    ("rolling restart", rolling_restart),
    ("spool full", spool_full),
]
