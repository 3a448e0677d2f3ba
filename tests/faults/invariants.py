"""The conditions after each fault: each job ended once, successfully, with the right frames and without leftovers."""

import hashlib
import json

from jobs.model.job import Job
from jobs.model.states import State
from jobs.storage.paths import attempts_prefix, checkpoint_prefix
from jobs.store.keeper.retention import CleanupQueue, postpone
from tests.faults.installation import MODEL, Installation, wait_until

Request = dict[str, object]


class Invariants:
    """The checks of one installation. It stores the hash of an undisturbed run for each request."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._clean: dict[str, str] = {}

    def record_expected(self, request: Request) -> str:
        """Runs this request without a fault, once; returns the SHA-256 of its video."""
        name = json.dumps(request)
        if name not in self._clean:
            job = self.installation.wait_for_end(self.installation.submit(request))
            assert job.result is not None, job.failure
            self._clean[name] = job.result.unsigned_sha256
        return self._clean[name]

    def check(self, job_id: str, request: Request) -> None:
        """Checks for one terminal event, one final webhook id, one video with the right bytes, and no checkpoint."""
        job = self.installation.wait_for_end(job_id)
        assert job.state is State.COMPLETED, job.failure
        self.check_reported_once(job_id)
        self._check_objects(job, self.record_expected(request))

    def check_reported_once(self, job_id: str) -> None:
        """Checks that one terminal event is the last event, and that there is one final webhook id."""
        lines = self.installation.store.redis.xrange(f"job:{job_id}:events")
        events = [json.loads(fields[b"event"]) for _, fields in lines]  # type: ignore[union-attr]
        is_end = [State(event.get("state", "queued")).is_final for event in events]
        assert is_end == [False] * (len(events) - 1) + [True], events
        received = self.installation.receiver.final
        wait_until(lambda: received[job_id], f"the webhook of {job_id} is received")
        assert len(received[job_id]) == 1, received[job_id]

    def check_installation(self) -> None:
        """Checks that queue, leases and spool are empty and that all workers are registered."""
        installation = self.installation
        installation.wait_for_api()
        installation.wait_for_workers()
        assert installation.store.queue_depth(MODEL) == 0
        wait_until(lambda: installation.store.running() == 0, "no lease is left")
        wait_until(lambda: not list(installation.spool_files()), "the spool is empty")

    def _check_objects(self, job: Job, sha256: str) -> None:
        installation = self.installation
        assert job.result is not None
        assert job.result.unsigned_sha256 == sha256
        postpone(installation.store.redis, CleanupQueue.LEFTOVERS, job.id, 0.0)  # now, not in five minutes
        wait_until(
            lambda: installation.store.redis.zscore(CleanupQueue.LEFTOVERS, job.id) is None, "leftovers are swept"
        )
        files = installation.storage.list(attempts_prefix(job.id))
        videos = [file.key for file in files if file.key.endswith("/video.mp4")]
        assert videos == [job.result.video_key]
        stored = b"".join(installation.storage.read(videos[0], 0, job.result.size_bytes))
        assert hashlib.sha256(stored).hexdigest() == job.result.content_sha256
        assert not list(installation.storage.list(checkpoint_prefix(job.id)))
