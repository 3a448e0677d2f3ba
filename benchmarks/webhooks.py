"""The time from a commit to the first delivery of its webhook, with and without receivers that hang."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from redis import Redis

from benchmarks.side_by_side import Row, row
from benchmarks.submit import REQUEST
from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.job import Job, new_job_id
from jobs.model.request import WebhookTarget
from jobs.store.callers.submission import CallerJobs
from jobs.store.transitions import JobTable

EVENTS = 300
PAUSE_S = 0.02
HANGING, EVENTS_EACH = 10, 20
TIMEOUT_S = 120.0


class Receiver(BaseHTTPRequestHandler):
    """Records the arrival time of the event of each video."""

    arrivals: dict[str, float]

    def do_POST(self) -> None:
        """Records when the event of a video arrived."""
        now = time.perf_counter()
        self.arrivals[json.loads(self.rfile.read(int(self.headers["content-length"])))["data"]["id"]] = now
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


def rows() -> list[Row]:
    """Rows for the median and the 99th percentile, measured with a separate keeper process."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = EmbeddedRedis(Path(folder), free_port()).start()
        stack.callback(server.stop)
        store = CallerJobs(JobTable(stack.enter_context(Redis.from_url(server.url))))
        url = stack.enter_context(_receiver())
        stack.enter_context(_keeper(server.url, folder))
        _measure(store, url, 20)  # warm-up of the keeper
        alone = _measure(store, url, EVENTS)
        for port in stack.enter_context(_hanging()):
            for _ in range(EVENTS_EACH):
                _submit(store, f"http://127.0.0.1:{port}/", "other", "video.queued")
        with_hanging = _measure(store, url, EVENTS)
    names = ("alone", f"with {HANGING} receivers that hang")
    return [
        row(
            f"commit to first delivery attempt, {title}",
            names,
            (_quantile(alone, share), _quantile(with_hanging, share)),
            "ms",
        )
        for title, share in (("median", 0.5), ("99 %", 0.99))
    ]


def _measure(store: CallerJobs, url: str, events: int) -> list[float]:
    """The sorted times from commit to arrival in milliseconds, with an event every `PAUSE_S`."""
    Receiver.arrivals, committed = {}, {}
    for _ in range(events):
        job = _submit(store, url, "bench", "video.cancelled")
        store.cancel(job.id)
        committed[job.id] = time.perf_counter()
        time.sleep(PAUSE_S)
    deadline = time.monotonic() + TIMEOUT_S
    while len(Receiver.arrivals) < events:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {len(Receiver.arrivals)} of {events} webhooks arrived")
        time.sleep(0.05)
    return sorted(
        1000 * max(0.0, Receiver.arrivals[job_id] - committed_at) for job_id, committed_at in committed.items()
    )


def _submit(store: CallerJobs, url: str, owner: str, event: str) -> Job:
    request = REQUEST.model_copy(update={"webhook": WebhookTarget(url=url, events=(event,))})
    job = Job(id=new_job_id(), owner=owner, request=request, created_at=store.table.now())
    store.submit_all([job])
    return job


def _quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


@contextmanager
def _receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@contextmanager
def _hanging() -> Iterator[list[int]]:
    """Ports that accept connections and never respond."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=200)) for _ in range(HANGING)]
        yield [listening.getsockname()[1] for listening in sockets]


@contextmanager
def _keeper(redis_url: str, folder: str) -> Iterator[None]:
    settings = {"REDIS_URL": redis_url, "DATA_DIR": folder, "WEBHOOK_ALLOW_PRIVATE": "true"}
    env = {**os.environ, **{f"EASYANIMATE_{name}": value for name, value in settings.items()}}
    process = subprocess.Popen([sys.executable, "-m", "worker.keeper"], env=env, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)
