"""What must hold when everything is whole again: each job ended once, well, with the right frames, and left nothing."""

import hashlib
import json

from jobs.model.job import Job
from jobs.model.states import State
from jobs.storage.paths import attempts_prefix, checkpoint_prefix
from jobs.store.keeper.retention import CleanupQueue, postpone
from tests.faults.installation import MODEL, Installation, wait_until

Request = dict[str, object]


class Invariants:
    """Of one installation; it remembers what an undisturbed run makes of each request."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._clean: dict[str, str] = {}

    def know(self, request: Request) -> str:
        """The SHA-256 of the file that an undisturbed run of this request makes."""
        name = json.dumps(request)
        if name not in self._clean:
            job = self.installation.end_of(self.installation.submit(request))
            assert job.result is not None, job.failure
            self._clean[name] = job.result.content_sha256
        return self._clean[name]

    def check(self, job_id: str, request: Request) -> None:
        """One terminal event, one final webhook id, one object with the right bytes, and no checkpoint."""
        job = self.installation.end_of(job_id)
        assert job.state is State.COMPLETED, job.failure
        self.check_reported_once(job_id)
        self._check_objects(job, self.know(request))

    def check_reported_once(self, job_id: str) -> None:
        """One terminal event, the last of all, and one final webhook id."""
        lines = self.installation.store.redis.xrange(f"job:{job_id}:events")
        events = [json.loads(fields[b"event"]) for _, fields in lines]  # type: ignore[union-attr]
        is_end = [State(event.get("state", "queued")).is_final for event in events]
        assert is_end == [False] * (len(events) - 1) + [True], events
        heard = self.installation.receiver.final
        wait_until(lambda: heard[job_id], f"the webhook of {job_id}")
        assert len(heard[job_id]) == 1, heard[job_id]

    def check_installation(self) -> None:
        """Nothing waits, nothing is leased, nothing lies about; all workers are there."""
        installation = self.installation
        installation.wait_for_api()
        installation.wait_for_workers()
        assert installation.store.queue_depth(MODEL) == 0
        wait_until(lambda: installation.store.running() == 0, "no lease is left")
        wait_until(lambda: not list(installation.spools()), "the spool is empty")

    def _check_objects(self, job: Job, sha256: str) -> None:
        installation = self.installation
        assert job.result is not None
        assert job.result.content_sha256 == sha256
        postpone(installation.store.redis, CleanupQueue.LEFTOVERS, job.id, 0.0)  # at once, not in five minutes
        wait_until(
            lambda: installation.store.redis.zscore(CleanupQueue.LEFTOVERS, job.id) is None, "leftovers are swept"
        )
        created = [
            result.key
            for result in installation.storage.list(attempts_prefix(job.id))
            if result.key.endswith("/video.mp4")
        ]
        assert created == [job.result.video_key]
        stored = b"".join(installation.storage.read(created[0], 0, job.result.size_bytes))
        assert hashlib.sha256(stored).hexdigest() == sha256
        assert not list(installation.storage.list(checkpoint_prefix(job.id)))
