"""A front end without a model: a thread does the steps of a worker, with random bytes as the video."""

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.access.api_keys import ApiKeyStore
from jobs.errors import JobNotFound, StorageUnavailable
from jobs.model.failure import failure
from jobs.model.input_files import DRAFT_STATE
from jobs.model.job import Job, Result
from jobs.model.limits import Limits
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase
from jobs.outbound_http import OutboundClient
from jobs.redis.keys import index_key
from jobs.storage.factory import open_storage
from jobs.storage.paths import result_key
from service.settings import ServiceSettings
from tests.announced_worker import announce_for_long
from tests.integration.service.conftest import running_apis
from tests.job_store import JobStore
from worker.keeper.deliverer import Deliverer

OWNER = "clients"
SECRET = "whsec_" + "b3duZXIw" * 5  # of the service
PREFIX = "/video"  # the path of a proxy; all tests of these clients use it
VIDEO = random.Random(7).randbytes(300_000)
FILES = {
    "video.mp4": VIDEO,
    "thumbnail.webp": b"RIFF\0\0\0\0WEBP" + bytes(40),
    "spritesheet.jpg": b"\xff\xd8\xff" + bytes(40),
    "manifest.json": b'{"seed": 7}',
}
STEPS = 3


@dataclass(frozen=True)
class FrontEnd:
    """The address of a front end, a key of it, and the jobs behind it."""

    url: str
    key: str
    store: JobStore

    def limited_key(self, requests_per_minute: int) -> str:
        """A key of another caller with this limit."""
        limits = Limits(requests_per_minute=requests_per_minute)
        return ApiKeyStore(self.store.redis).create("limited", f"limited-{requests_per_minute}", limits)[1]


class StepsOfAWorker(threading.Thread):
    """Runs the waiting jobs of OWNER. Prompts that begin with `wait` stay queued, those with `fail` fail."""

    def __init__(self, store: JobStore, settings: ServiceSettings) -> None:
        super().__init__(daemon=True)
        self.store, self.storage = store, open_storage(settings)
        self.has_ended = threading.Event()
        self.skipped: set[bytes] = set()

    def run(self) -> None:
        """Runs each queued job of the caller until `has_ended` is set."""
        while not self.has_ended.wait(0.02):
            for job_id in set(self.store.redis.zrange(index_key(OWNER, "queued"), 0, -1)) - self.skipped:
                with suppress(JobNotFound, StorageUnavailable):  # deleted meanwhile, or while its files are written
                    self.run_job(job_id.decode())

    def run_job(self, job_id: str) -> None:
        """Completes the job, or fails it as its prompt says. A job whose prompt begins with `wait` stays queued."""
        if self.store.get(job_id).request.prompt.startswith("wait"):
            self.skipped.add(job_id.encode())
            return
        job = self.store.lease(job_id, "worker-1")
        if job is None or job.token is None:
            return
        for step in range(1, STEPS + 1):
            self.store.report(job.id, job.token, Phase.DENOISING, step, STEPS)
        if job.request.prompt.startswith("fail"):
            self.store.fail(job.id, job.token, failure("gpu_out_of_memory"))
        else:
            self.complete(job, job.token)

    def complete(self, job: Job, token: str) -> None:
        """Stores the files of a result and completes the job."""
        files = FILES | ({DRAFT_STATE: b"the state of denoising"} if job.request.draft_steps else {})
        keys = {name: result_key(job.id, job.attempt, token, name) for name in files}
        for name, content in files.items():
            self.storage.put_bytes(keys[name], content)
        result = Result(
            video_key=keys["video.mp4"],
            content_type="video/mp4",
            size_bytes=len(VIDEO),
            content_sha256=hashlib.sha256(VIDEO).hexdigest(),
            inference_time_s=1.5,
            peak_memory_mb=64.0,
            phase_seconds={"denoising": 1.5},
        )
        self.store.complete(job.id, token, result)


@contextmanager
def front_end(folder: Path, card: ModelCard, **more: object) -> Iterator[FrontEnd]:
    """A running front end with these settings, with Redis, a file store, the steps of a worker, and webhooks."""
    server = EmbeddedRedis(folder, free_port()).start()
    values = {"redis_url": server.url, "data_dir": folder, "api_keys": "sk-unused-key", "root_path": PREFIX}
    settings = ServiceSettings.model_validate({**values, "webhook_allow_private": True, **more})
    with Redis.from_url(server.url) as redis, running_apis() as start:
        announce_for_long(redis, card)
        store = JobStore(redis)
        worker = StepsOfAWorker(store, settings)
        deliverer = Deliverer(store.table, OutboundClient(allow_private=True, timeout_s=15), SECRET, 2)
        threads = [worker, threading.Thread(target=deliverer.run, args=[worker.has_ended])]
        for thread in threads:
            thread.start()
        yield FrontEnd(start(settings) + PREFIX, ApiKeyStore(redis).create("clients", OWNER, Limits())[1], store)
        worker.has_ended.set()
        for thread in threads:
            thread.join()
    server.stop()
