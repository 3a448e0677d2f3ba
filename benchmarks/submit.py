"""The CPU cost of a submit in this process and in the Redis server, compared with a bare RQ enqueue."""

import tempfile
import time
from pathlib import Path

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from benchmarks.cpu_clock import cpu_us
from benchmarks.side_by_side import Row, row
from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.queue.tickets import TASK
from jobs.store.callers.submission import CallerJobs
from jobs.store.transitions import JobTable

JOBS = 2000
REQUEST = VideoRequest(
    model="bench",
    prompt="a red ball rolls across a meadow",
    width=128,
    height=128,
    num_frames=16,
    fps=24,
    num_inference_steps=10,
    guidance_scale=4.0,
    scheduler="euler",
    seed=1,
)


def rows() -> list[Row]:
    """Rows for the CPU time of a job in this process and in the server."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder), free_port()).start()
        try:
            return _measure(server)
        finally:
            server.stop()


def _measure(server: EmbeddedRedis) -> list[Row]:
    with Redis.from_url(server.url) as redis:
        jobs = CallerJobs(JobTable(redis))
        queue = Queue("bare", connection=redis, serializer=JSONSerializer)
        names = ("bare RQ enqueue", "submit")
        calls = {
            names[0]: lambda: queue.enqueue(TASK, new_job_id()),
            names[1]: lambda: jobs.submit_all([Job(id=new_job_id(), owner="bench", request=REQUEST, created_at=1.0)]),
        }
        own, server_side = {name: 0.0 for name in names}, {name: 0.0 for name in names}
        for _ in range(JOBS // 50):
            for name, call in calls.items():
                before = time.process_time(), cpu_s(server)
                for _ in range(50):
                    call()
                own[name] += time.process_time() - before[0]
                server_side[name] += cpu_s(server) - before[1]
    both = [(used[names[0]] / JOBS * 1e6, used[names[1]] / JOBS * 1e6) for used in (own, server_side)]
    return [
        row("accept a job, CPU of the API process", names, both[0], "µs"),
        row("accept a job, CPU of the Redis server", names, both[1], "µs"),
    ]


def cpu_s(server: EmbeddedRedis) -> float:
    """The user and system time of the server in seconds."""
    if server.process is None:
        raise RuntimeError("the server is not running")
    return cpu_us(server.process.pid) / 1e6
