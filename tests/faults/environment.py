"""What breaks around the jobs: the lines of API and keeper, the disk, and a deploy under load."""

import signal
import time
from statistics import median

import httpx

from jobs.model.states import State
from tests.faults.installation import MODEL, Installation, wait_until
from tests.faults.invariants import Invariants, Request
from tests.faults.scenario import LONG, PICTURE, SMALL, Outcome, steps_repeated
from tests.faults.tcp_proxy import Mode, TcpProxy

ANSWERS_WITHIN_S = 90.0  # whatever is broken, a caller is told so
BRIEF: Request = LONG | {"num_inference_steps": 40}
WAITING_JOBS = 4  # beside one for each worker, when workers are replaced one after the other


def api_without_redis(mode: Mode, installation: Installation, invariants: Invariants) -> list[Outcome]:
    """It says 503 and when to ask again; the same request, when the line is whole, is one job."""
    return [
        _refused_then_taken(
            installation, invariants, installation.to_redis["api"], mode, "Redis", SMALL, "queue_unavailable"
        )
    ]


def api_without_s3(mode: Mode, installation: Installation, invariants: Invariants) -> list[Outcome]:
    """It has nowhere to put a picture, says 503, and takes it when the line is whole."""
    request = SMALL | {"image": PICTURE}
    return [
        _refused_then_taken(
            installation, invariants, installation.to_s3["api"], mode, "S3", request, "storage_unavailable"
        )
    ]


def _refused_then_taken(
    installation: Installation,
    invariants: Invariants,
    line: TcpProxy,
    mode: Mode,
    whose: str,
    request: Request,
    code: str,
) -> Outcome:
    invariants.know(request)
    key = f"{whose} {mode} {time.monotonic()}"
    line.spoil(mode)
    try:
        body = {"prompt": "a red ball", **request, "webhook": {"url": installation.receiver.url}}
        headers = {"Idempotency-Key": key}
        answer = httpx.post(f"{installation.url}/v1/videos", json=body, headers=headers, timeout=ANSWERS_WITHIN_S)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, code), answer.text
        assert int(answer.headers["retry-after"]) <= 60
        assert httpx.get(f"{installation.url}/readyz", timeout=ANSWERS_WITHIN_S).status_code == 503
    finally:
        line.mend()
    mended_at = time.monotonic()
    ids: set[str] = set()
    wait_until(lambda: ids.add(installation.submit(request, key)) or ids, "the request is accepted")
    recovered_s = round(time.monotonic() - mended_at, 1)
    assert ids == {installation.submit(request, key)}
    invariants.check(ids.pop(), request)
    invariants.check_installation()
    return Outcome(f"API and {whose}: {mode}", "submit", recovered_s, 1, None)


def keeper_without_redis(mode: Mode, installation: Installation, invariants: Invariants) -> list[Outcome]:
    """A worker dies while the keeper is cut off: its job waits for the keeper, and no longer."""
    invariants.know(LONG)
    job_id = installation.submit(LONG)
    wait_until(lambda: installation.get(job_id).step > 2, "it is being made")
    installation.to_redis["keeper"].spoil(mode)
    name = installation.worker_of(job_id)
    installation.kill(name)
    time.sleep(2 * installation.store.lease_s if mode is Mode.CUT else 5.0)
    installation.to_redis["keeper"].mend()
    mended_at = time.monotonic()
    wait_until(lambda: len(installation.store.attempts(job_id)) > 1, "another worker has it")
    recovered_s = round(time.monotonic() - mended_at, 1)
    installation.start_one(name)
    invariants.check(job_id, LONG)
    invariants.check_installation()
    return [Outcome(f"keeper and Redis: {mode}, a worker killed meanwhile", "denoising", recovered_s, 2, None)]


def rolling_restart(installation: Installation, invariants: Invariants) -> list[Outcome]:
    """All workers are replaced, one after the other, with more work than they can do: no attempt is lost by it."""
    invariants.know(BRIEF)
    ids = [installation.submit(BRIEF) for _ in range(installation.workers + WAITING_JOBS)]
    ended_in = []
    for name in installation.worker_names:
        wait_until(
            lambda: installation.store.running() == installation.workers or not installation.store.queue_depth(MODEL),
            "all work",
        )
        message_at = time.monotonic()
        installation.signal(name, signal.SIGTERM)
        assert installation.exit_code(name) == 0
        ended_in.append(time.monotonic() - message_at)
        installation.start_one(name)
    for job_id in ids:
        invariants.check(job_id, BRIEF)
    invariants.check_installation()
    jobs, stories = (
        [installation.get(job_id) for job_id in ids],
        [installation.store.attempts(job_id) for job_id in ids],
    )
    assert {job.attempt for job in jobs} == {1}, "a restart cost an attempt"
    again = sum(map(steps_repeated, stories))
    assert again <= installation.workers, f"{again} steps were taken twice"
    name = f"rolling restart of {installation.workers} workers with {len(ids)} jobs"
    return [Outcome(name, "each worker's end", round(median(ended_in), 1), max(map(len, stories)), again)]


def spool_full(installation: Installation, invariants: Invariants) -> list[Outcome]:
    """A worker whose disk is full takes no job; one that has room does."""
    invariants.know(SMALL)
    name, others = installation.worker_names[0], installation.worker_names[1:]
    installation.kill(name)
    for other in others:
        installation.signal(other, signal.SIGTERM)
    for other in others:
        installation.exit_code(other)
    installation.start_one(name, EASYANIMATE_MIN_FREE_DISK_BYTES=str(1 << 62))
    log = installation.folder / f"{name}.log"
    wait_until(lambda: b"disk.full" in log.read_bytes(), "it says that its disk is full")
    job_id = installation.submit(SMALL)
    time.sleep(3.0)
    assert installation.get(job_id).state is State.QUEUED
    started = time.monotonic()
    installation.start_one(others[0])
    wait_until(lambda: installation.get(job_id).state is not State.QUEUED, "the one with room takes it")
    recovered_s = round(time.monotonic() - started, 1)
    installation.kill(name)
    for other in (name, *others[1:]):
        installation.start_one(other)
    invariants.check(job_id, SMALL)
    invariants.check_installation()
    return [Outcome("disk of the spool full", "queued", recovered_s, 1, None)]


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
