"""What a request costs, beside one that does nothing and a bare RQ enqueue: CPU time of the API process and of Redis.

A real front end in a process of its own with keys, idempotency and its log, driven over 8 connections by this process,
whose own time does not count. Wall time is not looked at: other work on the machine would change it.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from benchmarks.side_by_side import Row
from cli.child import start_program
from cli.embedded_redis import EmbeddedRedis
from cli.free_port import free_port
from jobs.keys import KeyRing
from jobs.limits import Limits
from jobs.model_card import ModelCard
from jobs.queue import TASK
from jobs.record import new_job_id
from jobs.registry import Registry
from jobs.states import Phase
from jobs.store import JobStore

CONNECTIONS = 8
ROUNDS = 3
EACH = 800  # requests of each kind in a round
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CARD = ModelCard(
    name="easyanimate-v3-tiny",
    default_width=128,
    default_height=128,
    max_pixels=256 * 256,
    max_side=512,
    min_side=64,
    max_frames=48,
    default_num_frames=16,
    default_num_inference_steps=10,
    default_guidance_scale=4.0,
    default_scheduler="euler",
    schedulers=("euler", "ddim"),
)
FORM = (
    "\r\n".join(
        line
        for name, value in {"prompt": "a red ball rolls across a meadow", "seconds": "0.7", "size": "128x128"}.items()
        for line in ("--b", f'Content-Disposition: form-data; name="{name}"', "", value)
    ).encode()
    + b"\r\n--b--\r\n"
)


@dataclass(frozen=True)
class Processes:
    """The two whose time counts."""

    api: subprocess.Popen[bytes]
    redis: EmbeddedRedis
    url: str
    headers: str

    def cpu_us(self) -> tuple[float, float]:
        """Microseconds of CPU that the API and Redis have used so far."""
        assert self.redis.process is not None
        return _cpu_us(self.api.pid), _cpu_us(self.redis.process.pid)


def rows() -> list[Row]:
    """A line for each kind of request: its cost beside that of the request that does nothing, or of a bare enqueue."""
    with _running() as processes:
        cost = _measured(processes)
    nothing, enqueue = cost["GET /healthz"], cost["rq.enqueue"]
    lines = []
    for name, (api, redis) in cost.items():
        if name in ("GET /healthz", "rq.enqueue"):
            continue
        beside, what = (enqueue, "rq.enqueue") if name.startswith("POST") else (nothing, "no-op")
        first = f"{what}: {sum(beside):.0f} µs"
        lines.append(Row(f"{name}, CPU", first, f"{api:.0f} + {redis:.0f} µs", (api + redis) / sum(beside)))
    return lines


def _measured(processes: Processes) -> dict[str, tuple[float, float]]:
    """Mean microseconds of API and Redis by kind of request, the kinds in turns; the first round is practice."""
    kinds = _kinds(processes)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in (*kinds, "rq.enqueue")}
    with Redis.from_url(processes.redis.url) as redis:
        queue = Queue("bare", connection=redis, serializer=JSONSerializer)
        for _ in range(ROUNDS + 1):
            for name, make in kinds.items():
                found[name].append(_used(processes, lambda make=make: _drive(processes.url, make)))
            found["rq.enqueue"].append(_enqueued(processes, queue))
    return {name: _mean(costs[1:]) for name, costs in found.items()}


def _kinds(processes: Processes) -> dict[str, Callable[[int], bytes]]:
    """What is sent, by name: the bytes of the n-th request."""
    waiting, running = _a_video(processes), _a_video(processes, is_running=True)
    tag = _tag_of(processes, running)
    body = json.dumps({"prompt": "a red ball rolls across a meadow", "num_frames": 16, "size": "128x128"}).encode()
    asks = f"POST /v1/videos HTTP/1.1\r\nHost: bench\r\n{processes.headers}"
    json_head = f"{asks}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    form_head = f"{asks}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(FORM)}\r\n\r\n"
    reads = "GET /v1/videos/{} HTTP/1.1\r\nHost: bench\r\n" + processes.headers
    return {
        "GET /healthz": lambda _: b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n",
        "GET a waiting video": lambda _: f"{reads.format(waiting)}\r\n".encode(),
        "GET a running video": lambda _: f"{reads.format(running)}\r\n".encode(),
        "GET a running video, 304": lambda _: f"{reads.format(running)}If-None-Match: {tag}\r\n\r\n".encode(),
        "POST JSON": lambda _: json_head.encode() + b"\r\n" + body,
        "POST JSON with Idempotency-Key": lambda _: (
            f"{json_head}Idempotency-Key: {new_job_id()}\r\n\r\n".encode() + body
        ),
        "POST form": lambda _: form_head.encode() + FORM,
    }


def _a_video(processes: Processes, *, is_running: bool = False) -> str:
    """The id of a video that was asked for, and perhaps taken by a worker."""
    body = b'{"prompt": "a red ball rolls across a meadow"}'
    head = f"POST /v1/videos HTTP/1.1\r\nHost: bench\r\n{processes.headers}Content-Type: application/json\r\n"
    answer = asyncio.run(_one(processes.url, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body))
    video_id: str = json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
    if is_running:
        with Redis.from_url(processes.redis.url) as redis:
            job = JobStore(redis).lease(video_id, "bench")
            assert job is not None
            assert job.token is not None
            JobStore(redis).report(video_id, job.token, Phase.DENOISING, 3, 10)
    return video_id


def _tag_of(processes: Processes, video_id: str) -> str:
    request = f"GET /v1/videos/{video_id} HTTP/1.1\r\nHost: bench\r\n{processes.headers}\r\n".encode()
    head = asyncio.run(_one(processes.url, request)).partition(b"\r\n\r\n")[0].decode()
    return next(line.partition(": ")[2] for line in head.splitlines() if line.lower().startswith("etag"))


def _enqueued(processes: Processes, queue: Queue) -> tuple[float, float]:
    """The same for RQ alone, whose client is this process."""
    before, ours = processes.cpu_us()[1], time.process_time()
    for _ in range(EACH):
        queue.enqueue(TASK, new_job_id())
    return (time.process_time() - ours) / EACH * 1e6, (processes.cpu_us()[1] - before) / EACH


def _mean(costs: list[tuple[float, float]]) -> tuple[float, float]:
    api, redis = (sum(values) / len(costs) for values in zip(*costs, strict=True))
    return api, redis


def _used(processes: Processes, work: Callable[[], None]) -> tuple[float, float]:
    before = processes.cpu_us()
    work()
    api, redis = (after - start for after, start in zip(processes.cpu_us(), before, strict=True))
    return api / EACH, redis / EACH


def _drive(url: str, make: Callable[[int], bytes]) -> None:
    async def connection(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        for index in range(number, EACH, CONNECTIONS):
            writer.write(make(index))
            await _answer(reader)
        writer.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(connection(number) for number in range(CONNECTIONS)))

    asyncio.run(all_of_them())


async def _one(url: str, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(request)
    answer = await _answer(reader)
    writer.close()
    return answer


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """One whole answer. Raises RuntimeError for one that is neither 2xx nor 304."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    body = await reader.readexactly(length)
    if head[9:10] != b"2" and head[9:12] != b"304":
        raise RuntimeError((head + body).decode())
    return head + body


@contextmanager
def _running() -> Iterator[Processes]:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder), free_port()).start()
        with Redis.from_url(server.url) as redis:
            Registry(redis).announce(CARD, "bench")
            _, secret = KeyRing(redis).create("bench", "bench", Limits())
        port = free_port()
        environment = {
            "EASYANIMATE_REDIS_URL": server.url,
            "EASYANIMATE_PORT": str(port),
            "EASYANIMATE_AUTH": "keys",
            "EASYANIMATE_DATA_DIR": folder,
            "EASYANIMATE_MAX_QUEUED_JOBS": "1000000",
        }
        api = start_program([sys.executable, "-m", "service"], environment, Path(folder) / "api.log")
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, api)
            yield Processes(api, server, url, f"Authorization: Bearer {secret}\r\n")
        finally:
            api.terminate()
            api.wait()
            server.stop()


def _wait_for(url: str, api: "subprocess.Popen[bytes]") -> None:
    while api.poll() is None:
        try:
            asyncio.run(_one(url, b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n"))
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the API ended with code {api.returncode}")


def _cpu_us(pid: int) -> float:
    """User and system time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S * 1e6
