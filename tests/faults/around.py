"""What breaks around the jobs: the lines of API and keeper, the disk, and a deploy under load."""

import signal
import time
from statistics import median

import httpx

from jobs.model.states import State
from tests.faults.house import MODEL, House, wait_until
from tests.faults.laws import Asked, Laws
from tests.faults.scene import LONG, PICTURE, SMALL, Outcome, steps_repeated
from tests.faults.tcp_proxy import Mode, TcpProxy

ANSWERS_WITHIN_S = 90.0  # whatever is broken, a caller is told so
BRIEF: Asked = LONG | {"num_inference_steps": 40}
WAITING_JOBS = 4  # beside one for each worker, when workers are replaced one after the other


def api_without_redis(mode: Mode, house: House, laws: Laws) -> list[Outcome]:
    """It says 503 and when to ask again; the same request, when the line is whole, is one job."""
    return [_refused_then_taken(house, laws, house.to_redis["api"], mode, "Redis", SMALL, "queue_unavailable")]


def api_without_s3(mode: Mode, house: House, laws: Laws) -> list[Outcome]:
    """It has nowhere to put a picture, says 503, and takes it when the line is whole."""
    asked = SMALL | {"image": PICTURE}
    return [_refused_then_taken(house, laws, house.to_s3["api"], mode, "S3", asked, "storage_unavailable")]


def _refused_then_taken(
    house: House, laws: Laws, line: TcpProxy, mode: Mode, whose: str, asked: Asked, code: str
) -> Outcome:
    laws.know(asked)
    key = f"{whose} {mode} {time.monotonic()}"
    line.spoil(mode)
    try:
        body = {"prompt": "a red ball", **asked, "webhook": {"url": house.receiver.url}}
        headers = {"Idempotency-Key": key}
        answer = httpx.post(f"{house.url}/v1/videos", json=body, headers=headers, timeout=ANSWERS_WITHIN_S)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, code), answer.text
        assert int(answer.headers["retry-after"]) <= 60
        assert httpx.get(f"{house.url}/readyz", timeout=ANSWERS_WITHIN_S).status_code == 503
    finally:
        line.mend()
    mended_at = time.monotonic()
    ids: set[str] = set()
    wait_until(lambda: ids.add(house.submit(asked, key)) or ids, "the request is accepted")
    recovered_s = round(time.monotonic() - mended_at, 1)
    assert ids == {house.submit(asked, key)}
    laws.check(ids.pop(), asked)
    laws.check_house()
    return Outcome(f"API and {whose}: {mode}", "submit", recovered_s, 1, None)


def keeper_without_redis(mode: Mode, house: House, laws: Laws) -> list[Outcome]:
    """A worker dies while the keeper is cut off: its job waits for the keeper, and no longer."""
    laws.know(LONG)
    job_id = house.submit(LONG)
    wait_until(lambda: house.get(job_id).step > 2, "it is being made")
    house.to_redis["keeper"].spoil(mode)
    name = house.worker_of(job_id)
    house.kill(name)
    time.sleep(2 * house.store.lease_s if mode is Mode.CUT else 5.0)
    house.to_redis["keeper"].mend()
    mended_at = time.monotonic()
    wait_until(lambda: len(house.store.attempts(job_id)) > 1, "another worker has it")
    recovered_s = round(time.monotonic() - mended_at, 1)
    house.start_one(name)
    laws.check(job_id, LONG)
    laws.check_house()
    return [Outcome(f"keeper and Redis: {mode}, a worker killed meanwhile", "denoising", recovered_s, 2, None)]


def rolling_restart(house: House, laws: Laws) -> list[Outcome]:
    """All workers are replaced, one after the other, with more work than they can do: no attempt is lost by it."""
    laws.know(BRIEF)
    ids = [house.submit(BRIEF) for _ in range(house.workers + WAITING_JOBS)]
    ended_in = []
    for name in house.worker_names:
        wait_until(lambda: house.store.running() == house.workers or not house.store.queue_depth(MODEL), "all work")
        told_at = time.monotonic()
        house.signal(name, signal.SIGTERM)
        assert house.exit_code(name) == 0
        ended_in.append(time.monotonic() - told_at)
        house.start_one(name)
    for job_id in ids:
        laws.check(job_id, BRIEF)
    laws.check_house()
    jobs, stories = [house.get(job_id) for job_id in ids], [house.store.attempts(job_id) for job_id in ids]
    assert {job.attempt for job in jobs} == {1}, "a restart cost an attempt"
    again = sum(map(steps_repeated, stories))
    assert again <= house.workers, f"{again} steps were taken twice"
    name = f"rolling restart of {house.workers} workers with {len(ids)} jobs"
    return [Outcome(name, "each worker's end", round(median(ended_in), 1), max(map(len, stories)), again)]


def spool_full(house: House, laws: Laws) -> list[Outcome]:
    """A worker whose disk is full takes no job; one that has room does."""
    laws.know(SMALL)
    name, others = house.worker_names[0], house.worker_names[1:]
    house.kill(name)
    for other in others:
        house.signal(other, signal.SIGTERM)
    for other in others:
        house.exit_code(other)
    house.start_one(name, EASYANIMATE_MIN_FREE_DISK_BYTES=str(1 << 62))
    log = house.folder / f"{name}.log"
    wait_until(lambda: b"disk.full" in log.read_bytes(), "it says that its disk is full")
    job_id = house.submit(SMALL)
    time.sleep(3.0)
    assert house.get(job_id).state is State.QUEUED
    started = time.monotonic()
    house.start_one(others[0])
    wait_until(lambda: house.get(job_id).state is not State.QUEUED, "the one with room takes it")
    recovered_s = round(time.monotonic() - started, 1)
    house.kill(name)
    for other in (name, *others[1:]):
        house.start_one(other)
    laws.check(job_id, SMALL)
    laws.check_house()
    return [Outcome("disk of the spool full", "queued", recovered_s, 1, None)]


RUNS = [
    *(
        (f"{run.__name__} {mode}", lambda house, laws, run=run, mode=mode: run(mode, house, laws))
        for run in (api_without_redis, api_without_s3, keeper_without_redis)
        for mode in (Mode.CUT, Mode.SILENT)
    ),
    ("rolling restart", rolling_restart),
    ("spool full", spool_full),
]
