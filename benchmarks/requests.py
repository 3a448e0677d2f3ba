"""The CPU cost of requests compared with a no-op route, a bare RQ enqueue and the goals, and the request rate.

The CPU time includes the API process and Redis. It is the minimum of several rounds, because other work on the machine
can only increase it. The request rate is meaningful only without other work on the machine.
"""

import json
import os
import time
from collections.abc import Callable, Iterator

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from benchmarks.front_ends import FrontEnds, running
from benchmarks.http_driver import drive, request
from benchmarks.side_by_side import Row
from jobs.model.job import new_job_id
from jobs.model.states import Phase
from jobs.queue.tickets import TASK
from jobs.store.leases import WorkerJobs
from jobs.store.transitions import JobTable

CONNECTIONS = 8
ROUNDS = 6
REQUESTS = 200  # of each kind in a round
RATE_ROUNDS, RATE_REQUESTS = 3, 1000
PROCESSES = os.cpu_count() or 1

NO_OP, ENQUEUE = "GET /healthz", "rq.enqueue"
WAITING, RUNNING, NOT_MODIFIED = "GET a waiting video", "GET a running video", "GET a running video, 304"
JSON, KEYED, FORMED = "POST JSON", "POST JSON with Idempotency-Key", "POST form"
MAX_POLL_RATIO, MAX_SUBMIT_RATIO = 2.5, 5.0  # to a no-op route of the same app, and to a bare enqueue
GOALS_PER_S = {JSON: 800, RUNNING: 2000}

PROMPT = "a red ball rolls across a meadow"
BODY = json.dumps({"prompt": PROMPT, "num_frames": 16, "size": "128x128"}).encode()
FORM = (
    "\r\n".join(
        line
        for name, value in {"prompt": PROMPT, "seconds": "0.7", "size": "128x128"}.items()
        for line in ("--b", f'Content-Disposition: form-data; name="{name}"', "", value)
    ).encode()
    + b"\r\n--b--\r\n"
)

Kinds = dict[str, Callable[[int], bytes]]
Cost = tuple[float, float]  # CPU time of the API and of Redis in microseconds


def rows() -> list[Row]:
    """Compares each kind of request with its baseline, its cost with the goal, and its rate with the goal."""
    with running(1) as front:
        costs = _costs(front)
    with running(PROCESSES) as front:
        rates = _rates(front)
    return [*_cost_rows(costs), *_ratio_rows(costs), *_rate_rows(rates)]


def _cost_rows(costs: dict[str, Cost]) -> Iterator[Row]:
    for name, cost in costs.items():
        if name in (NO_OP, ENQUEUE):
            continue
        baseline = ENQUEUE if name.startswith("POST") else NO_OP
        yield Row(
            f"{name}, CPU",
            _format_cost(baseline, costs[baseline]),
            _format_cost("request", cost),
            sum(cost) / sum(costs[baseline]),
        )


def _ratio_rows(costs: dict[str, Cost]) -> Iterator[Row]:
    for name, baseline, goal in ((RUNNING, NO_OP, MAX_POLL_RATIO), (JSON, ENQUEUE, MAX_SUBMIT_RATIO)):
        ratio = sum(costs[name]) / sum(costs[baseline])
        yield Row(f"{name}, CPU", f"goal: {goal} x {baseline}", f"measured: {ratio:.2f} x", ratio / goal)


def _rate_rows(rates: dict[str, float]) -> Iterator[Row]:
    for name, goal in GOALS_PER_S.items():
        title = f"{name}, {PROCESSES} API processes"
        yield Row(title, f"goal: {goal:,} a second", f"measured: {rates[name]:,.0f} a second", rates[name] / goal)


def _format_cost(name: str, cost: Cost) -> str:
    return f"{name}: {sum(cost):.0f} µs, {cost[1]:.0f} of them Redis"


def _costs(front: FrontEnds) -> dict[str, Cost]:
    """The minimum cost of each kind over interleaved rounds; the first round is a warm-up."""
    kinds = _kinds(front)
    result: dict[str, list[Cost]] = {name: [] for name in (*kinds, ENQUEUE)}
    with Redis.from_url(front.redis.url) as redis:
        queue = Queue("bare", connection=redis, serializer=JSONSerializer)
        for _ in range(ROUNDS + 1):
            for name, build in kinds.items():
                result[name].append(_request_cost(front, build))
            result[ENQUEUE].append(_enqueue_cost(front, queue))
    return {name: min(costs[1:], key=sum) for name, costs in result.items()}


def _rates(front: FrontEnds) -> dict[str, float]:
    """Responses per second in the best round. This client process also uses CPU time of the machine."""
    kinds = _kinds(front)
    result = dict.fromkeys(GOALS_PER_S, 0.0)
    for _ in range(RATE_ROUNDS):
        for name in result:
            started = time.perf_counter()
            drive(front.urls, kinds[name], RATE_REQUESTS, CONNECTIONS * len(front.urls))
            result[name] = max(result[name], RATE_REQUESTS / (time.perf_counter() - started))
    return result


def _request_cost(front: FrontEnds, build: Callable[[int], bytes]) -> Cost:
    before = front.cpu_us()
    drive(front.urls, build, REQUESTS, CONNECTIONS)
    api, redis = (after - start for after, start in zip(front.cpu_us(), before, strict=True))
    return api / REQUESTS, redis / REQUESTS


def _enqueue_cost(front: FrontEnds, queue: Queue) -> Cost:
    """The cost of an RQ enqueue from this process."""
    before, own = front.cpu_us()[1], time.process_time()
    for _ in range(REQUESTS):
        queue.enqueue(TASK, new_job_id())
    return (time.process_time() - own) / REQUESTS * 1e6, (front.cpu_us()[1] - before) / REQUESTS


def _kinds(front: FrontEnds) -> Kinds:
    """The kinds of requests by name, each a function from an index to the bytes of a request."""
    waiting, running = _create_video(front), _create_video(front, is_running=True)
    etag = _etag_of(front, running)
    requests = f"POST /v1/videos HTTP/1.1\r\nHost: bench\r\n{front.headers}"
    json_head = f"{requests}Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
    form_head = f"{requests}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(FORM)}\r\n\r\n"
    reads = "GET /v1/videos/{} HTTP/1.1\r\nHost: bench\r\n" + front.headers
    return {
        NO_OP: lambda _: b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n",
        WAITING: lambda _: f"{reads.format(waiting)}\r\n".encode(),
        RUNNING: lambda _: f"{reads.format(running)}\r\n".encode(),
        NOT_MODIFIED: lambda _: f"{reads.format(running)}If-None-Match: {etag}\r\n\r\n".encode(),
        JSON: lambda _: json_head.encode() + b"\r\n" + BODY,
        KEYED: lambda _: f"{json_head}Idempotency-Key: {new_job_id()}\r\n\r\n".encode() + BODY,
        FORMED: lambda _: form_head.encode() + FORM,
    }


def _create_video(front: FrontEnds, *, is_running: bool = False) -> str:
    """Creates a video, optionally leased by a worker; returns its id."""
    head = f"POST /v1/videos HTTP/1.1\r\nHost: bench\r\n{front.headers}Content-Type: application/json\r\n"
    response = request(front.urls[0], f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
    video_id: str = json.loads(response.partition(b"\r\n\r\n")[2])["id"]
    if is_running:
        with Redis.from_url(front.redis.url) as redis:
            jobs = WorkerJobs(JobTable(redis, lease_s=3600))
            job = jobs.lease(video_id, "bench")
            assert job is not None
            assert job.token is not None
            jobs.report(video_id, job.token, Phase.DENOISING, 3, 10)
    return video_id


def _etag_of(front: FrontEnds, video_id: str) -> str:
    content = f"GET /v1/videos/{video_id} HTTP/1.1\r\nHost: bench\r\n{front.headers}\r\n".encode()
    head = request(front.urls[0], content).partition(b"\r\n\r\n")[0].decode()
    return next(line.partition(": ")[2] for line in head.splitlines() if line.lower().startswith("etag"))
