"""`python -m benchmarks.capacity.costs`: commands and memory of Redis and requests to S3 for a job.

API, keeper and a worker without a model are real processes; Redis is a real server. Requests to S3 are counted at the
server of moto. They are those of the client, so they are the same for another server. The table goes to
docs/operations/scaling.md.
"""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import boto3
import httpx
from moto.server import DomainDispatcherApplication, create_backend_app
from redis import Redis
from werkzeug.serving import make_server

from benchmarks.capacity.__main__ import PAGE, table, write
from benchmarks.capacity.installation import Installation, installation
from benchmarks.capacity.redis_commands import measure_heartbeat

JOBS, STEPS, STEP_S = 20, 10, 0.2
IDLE_S, SETTLE_S, POLL_S = 20.0, 3.0, 0.5
BUCKET, ACCESS, SECRET = "videos", "capacity", "not-a-real-secret"
READING = ("GET", "HEAD")


@dataclass
class S3Counter:
    """A WSGI application that counts the requests it passes on, by method."""

    application: WSGIApplication
    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        is_list = method == "GET" and "list-type" in environ.get("QUERY_STRING", "")
        self.counts["LIST" if is_list else method] += 1
        return self.application(environ, start_response)


@contextmanager
def counted_s3() -> Iterator[tuple[S3Counter, dict[str, str]]]:
    """A server with one bucket, and the settings for it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    counter = S3Counter(DomainDispatcherApplication(create_backend_app))  # type: ignore[no-untyped-call]
    server = make_server("127.0.0.1", 0, counter, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    keys = {"aws_access_key_id": ACCESS, "aws_secret_access_key": SECRET}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket=BUCKET)  # type: ignore[call-overload]
    names = {"STORAGE": "s3", "S3__BUCKET": BUCKET, "S3__ENDPOINT_URL": endpoint, "S3__ACCESS_KEY_ID": ACCESS}
    names |= {"S3__SECRET_ACCESS_KEY": SECRET, "S3__ADDRESSING_STYLE": "path"}
    try:
        yield counter, {f"EASYANIMATE_{name}": value for name, value in names.items()}
    finally:
        server.shutdown()
        thread.join()


@dataclass
class Use:
    """What was used between two moments."""

    commands: float
    memory: float
    s3: Counter[str]
    seconds: float


class Meter:
    """Reads the counters of Redis and S3."""

    def __init__(self, redis: Redis, s3: S3Counter) -> None:
        self.redis, self.s3 = redis, s3
        self._before = self._now()

    def use(self) -> Use:
        """What was used since the last call."""
        before, self._before = self._before, self._now()
        commands, memory, counts, at = (new - old for new, old in zip(self._before, before, strict=True))  # type: ignore[operator]
        return Use(commands, memory, counts, at)

    def _now(self) -> tuple[int, int, Counter[str], float]:
        rows = cast(dict[str, dict[str, int]], self.redis.info("commandstats")).values()
        memory = cast(dict[str, int], self.redis.info("memory"))["used_memory"]
        return sum(row["calls"] for row in rows), memory, Counter(self.s3.counts), time.monotonic()


def run_jobs(client: httpx.Client, count: int) -> list[str]:
    """Requests jobs and waits for their ends with few reads. Raises RuntimeError if one fails."""
    body = {"prompt": "a red ball", "num_inference_steps": STEPS}
    job_ids = [str(client.post("/v1/videos", json=body).raise_for_status().json()["id"]) for _ in range(count)]
    for job_id in job_ids:
        while (status := client.get(f"/v1/videos/{job_id}").raise_for_status().json()["status"]) != "completed":
            if status == "failed":
                raise RuntimeError(f"{job_id} failed")
            time.sleep(POLL_S)
    return job_ids


def measured_rows(running: Installation, counter: S3Counter) -> list[list[str]]:
    """The rows of the table."""
    headers = {"Authorization": f"Bearer {running.front_ends.secret}"}
    with (
        Redis.from_url(running.front_ends.redis.url) as redis,
        httpx.Client(base_url=running.url, headers=headers, timeout=60, trust_env=False) as client,
    ):
        run_jobs(client, 2)  # with the first connections
        time.sleep(SETTLE_S)
        meter = Meter(redis, counter)
        time.sleep(IDLE_S)
        idle = meter.use()
        job_ids = run_jobs(client, JOBS)
        time.sleep(SETTLE_S)
        busy = meter.use()
        for job_id in job_ids:
            client.get(f"/v1/videos/{job_id}/content", follow_redirects=False)
        read = meter.use()
        for job_id in job_ids:
            client.delete(f"/v1/videos/{job_id}").raise_for_status()
        time.sleep(SETTLE_S)
        deleted = meter.use()
    return _rows(idle, busy, read, deleted)


def _rows(idle: Use, busy: Use, read: Use, deleted: Use) -> list[list[str]]:
    per_second = idle.commands / idle.seconds
    commands = (busy.commands - per_second * busy.seconds) / JOBS
    return [
        [
            f"a job of {STEPS} steps in {STEPS * STEP_S:g} s, from request to completion, with heartbeats",
            f"{commands:.0f} commands, {busy.memory / JOBS / 1000:.1f} kB of a finished job",
            requests(busy.s3, JOBS),
        ],
        ["one idle worker, API and keeper, for a second", f"{per_second:.0f} commands", requests(idle.s3, 1)],
        ["a link to the video (`GET /content`)", f"{read.commands / JOBS:.0f} commands", requests(read.s3, JOBS)],
        ["a deletion of the video", f"{deleted.commands / JOBS:.0f} commands", requests(deleted.s3, JOBS)],
    ]


def requests(counts: Counter[str], share: int) -> str:
    """Counts by method for one of `share` jobs."""
    found = [f"{value / share:g} {method}" for method, value in sorted(counts.items()) if value]
    return ", ".join(found) or "none"


def redis_row() -> list[str]:
    """The row of a heartbeat, which needs no processes."""
    beat = measure_heartbeat()
    return ["a heartbeat, two of them in each second of a run", f"{beat:.1f} commands", "none"]


def report() -> str:
    """The table."""
    with counted_s3() as (counter, settings), installation(1, 1, STEP_S, settings) as running:
        rows: list[list[Any]] = [*measured_rows(running, counter), redis_row()]
    return table(["what", "Redis", "requests to S3"], rows)


def main() -> None:
    """Measures the costs of a job; prints them and writes them to the page."""
    text = report()
    sys.stdout.write(text + "\n")
    if "--dry-run" not in sys.argv:
        write(PAGE, {"costs": text})


if __name__ == "__main__":
    main()
