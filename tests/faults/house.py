"""The whole service as real processes that can be killed, stopped and cut off one by one, and what must hold after."""

import json
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from cli.child import Child
from cli.embedded_redis import EmbeddedRedis
from cli.free_port import free_port
from jobs.record import Job
from jobs.redis_connection import connect
from jobs.registry import Registry
from jobs.retention import Todo, postpone
from jobs.states import Phase, State
from jobs.store import JobStore
from tests.faults.tcp_proxy import TcpProxy

MODEL = "easyanimate-v3-tiny"
PATIENCE_S = 240.0  # for anything at all, on a machine that is busy with other things
FINAL = {"video.completed", "video.failed", "video.cancelled"}
SETTINGS = {
    "LEASE_S": "4", "BEAT_S": "0.5", "SWEEP_S": "0.5", "DRAIN_GRACE_S": "6", "CHECKPOINT_EVERY_S": "0",
    "CHECKPOINT_STORE_EVERY_S": "0.5", "WEBHOOK_ALLOW_PRIVATE": "true", "AUTH": "off", "RETENTION_SWEEP_S": "0.5",
}  # fmt: skip
ASKED = {"prompt": "a red ball", "size": "64x64", "num_frames": 16, "num_inference_steps": 160, "seed": 7}


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        with suppress(Exception):  # whoever is asked may be away: that is what this is about
            if holds():
                return
        assert time.monotonic() < deadline, f"{what}: it did not come true in {timeout_s:g} s"
        time.sleep(0.02)


class Receiver:
    """Takes webhooks and remembers them."""

    def __init__(self) -> None:
        heard: dict[str, set[tuple[str, str]]] = defaultdict(set)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if event["type"] in FINAL:
                    heard[event["data"]["id"]].add((self.headers["webhook-id"], event["type"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.final = heard
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        Thread(target=self.server.serve_forever, daemon=True).start()


class House:
    """`start` and `stop` it; every process by its name in `children`: api, keeper, worker-0 and so on."""

    def __init__(self, folder: Path, models_dir: Path, workers: int = 2) -> None:
        self.folder, self.models_dir, self.workers = folder, models_dir, workers
        self.redis = EmbeddedRedis(folder / "redis", free_port())
        self.line = TcpProxy(self.redis.port)  # to Redis, of the workers and the keeper
        self.receiver = Receiver()
        self.children: dict[str, Child] = {}
        self.api_port = free_port()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.clean: dict[int, str] = {}

    def start(self) -> None:
        self.redis.start()
        self.store = JobStore(connect(self.redis.url, retries=5))
        self.start_one("api", "service")
        self.start_one("keeper", "worker.keeper")
        for i in range(self.workers):
            self.start_one(f"worker-{i}", "worker")
        self.wait_for_workers(self.workers)
        self.wait_for_api()

    def stop(self) -> None:
        for child in self.children.values():
            if child.process is not None:
                child.process.kill()
                child.process.wait()
        self.line.close()
        self.store.redis.close()
        self.redis.stop()
        self.receiver.server.shutdown()
        self.receiver.server.server_close()

    def start_one(self, name: str, module: str | None = None, **changes: str) -> None:
        """Start this process, anew if it was there before; settings change for this start alone."""
        module = module or self.children[name].module
        port = self.redis.port if name == "api" else self.line.port
        said = {**SETTINGS, **changes, "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        said |= {"DATA_DIR": str(self.folder / "data"), "MODELS_DIR": str(self.models_dir), "MODEL": MODEL}
        said |= {"HOST": "127.0.0.1", "PORT": str(self.api_port)}
        environment = {f"EASYANIMATE_{key}": value for key, value in said.items()} | {"OMP_NUM_THREADS": "1"}
        self.children[name] = Child(name, module, environment, self.folder / f"{name}.log")
        self.children[name].start()

    def kill(self, name: str) -> None:
        process = self.children[name].process
        assert process is not None
        process.kill()
        process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        process = self.children[name].process
        assert process is not None
        process.send_signal(number)

    def exit_code(self, name: str, timeout_s: float = PATIENCE_S) -> int:
        process = self.children[name].process
        assert process is not None
        return process.wait(timeout_s)

    def wait_for_api(self) -> None:
        wait_until(lambda: httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200, "the API is ready")

    def wait_for_workers(self, count: int) -> None:
        """`count` workers of these processes are there, whoever died before is forgotten."""
        registry = Registry(self.store.redis)
        names = {f"-{child.process.pid}-" for child in self.children.values() if child.process}

        def alive() -> int:
            key = f"model:{MODEL}:workers"
            found = [name.decode() for name in self.store.redis.zrange(key, 0, -1)]  # type: ignore[union-attr]
            return sum(any(pid in name for pid in names) for name in found)

        wait_until(lambda: registry.live_workers(MODEL) >= count and alive() >= count, "the workers are there")

    # ---- jobs

    def submit(self, **changes: Any) -> str:
        self.wait_for_api()
        body = {**ASKED, **changes, "webhook": {"url": self.receiver.url}}
        answer = httpx.post(f"{self.url}/v1/videos", json=body, timeout=30)
        assert answer.status_code in (200, 202), answer.text
        return str(answer.json()["id"])

    def get(self, job_id: str) -> Job:
        return self.store.get(job_id)

    def wait_for(self, job_id: str, phase: Phase, step: int = 0) -> None:
        def is_there() -> bool:
            job = self.get(job_id)
            assert not job.state.is_final, f"{job_id} has ended as {job.state} before {phase}"
            return job.phase is phase and job.step >= step

        wait_until(is_there, f"{phase} of {job_id}")

    def worker_of(self, job_id: str) -> str:
        """The process that runs this job."""
        name = self.get(job_id).worker or ""
        pid = name.rsplit("-", 2)[1]
        return next(n for n, child in self.children.items() if child.process and str(child.process.pid) == pid)

    def end_of(self, job_id: str) -> Job:
        wait_until(lambda: self.get(job_id).state.is_final, f"the end of {job_id}")
        return self.get(job_id)

    def clean_sha256(self, seed: int) -> str:
        """What an undisturbed run of this seed makes."""
        if seed not in self.clean:
            job = self.end_of(self.submit(seed=seed))
            assert job.result is not None, job.failure
            self.clean[seed] = job.result.content_sha256
        return self.clean[seed]

    # ---- what must hold

    def check(self, job_id: str, seed: int) -> None:
        """The job ended well, once, with the right frames, and nothing is left lying about."""
        job = self.end_of(job_id)
        assert job.state is State.COMPLETED, job.failure
        assert job.result is not None
        assert job.result.content_sha256 == self.clean_sha256(seed)
        self.check_told_once(job_id)
        postpone(self.store.redis, Todo.LEFTOVERS, job_id, 0.0)  # at once, not in five minutes
        wait_until(lambda: self.store.redis.zscore(Todo.LEFTOVERS, job_id) is None, "leftovers are swept")
        objects = self.folder / "data" / "objects"
        made = list((objects / "videos" / job_id).rglob("video.mp4"))
        assert [path.relative_to(objects).as_posix() for path in made] == [job.result.video_key]
        assert not list((objects / "checkpoints" / job_id).rglob("*.*"))
        assert self.store.overdue() == []
        assert self.store.redis.zscore("jobs:leases", job_id) is None
        assert self.store.queue_depth(MODEL) == 0
        spool = self.folder / "data" / "spool"
        wait_until(lambda: not (spool / ".checkpoints" / job_id).exists(), "the checkpoints are gone")

    def check_told_once(self, job_id: str) -> None:
        """One terminal event, one final webhook id."""
        lines = self.store.redis.xrange(f"job:{job_id}:events")
        events = [json.loads(fields[b"event"]) for _, fields in lines]  # type: ignore[union-attr]
        ends = [event["state"] for event in events if State(event.get("state", "queued")).is_final]
        assert len(ends) == 1, ends
        wait_until(lambda: self.receiver.final[job_id], "the webhook")
        assert len(self.receiver.final[job_id]) == 1
