"""What must hold when everything is whole again: each job ended once, well, with the right frames, and left nothing."""

import hashlib
import json

from jobs.model.job import Job
from jobs.model.states import State
from jobs.storage.paths import attempts_prefix, checkpoint_prefix
from jobs.store.keeper.retention import CleanupQueue, postpone
from tests.faults.house import MODEL, House, wait_until

Asked = dict[str, object]


class Laws:
    """Of one house; it remembers what an undisturbed run makes of each request."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._clean: dict[str, str] = {}

    def know(self, asked: Asked) -> str:
        """The SHA-256 of the file that an undisturbed run of this request makes."""
        name = json.dumps(asked)
        if name not in self._clean:
            job = self.house.end_of(self.house.submit(asked))
            assert job.result is not None, job.failure
            self._clean[name] = job.result.content_sha256
        return self._clean[name]

    def check(self, job_id: str, asked: Asked) -> None:
        """One terminal event, one final webhook id, one object with the right bytes, and no checkpoint."""
        job = self.house.end_of(job_id)
        assert job.state is State.COMPLETED, job.failure
        self.check_told_once(job_id)
        self._check_objects(job, self.know(asked))

    def check_told_once(self, job_id: str) -> None:
        """One terminal event, the last of all, and one final webhook id."""
        lines = self.house.store.redis.xrange(f"job:{job_id}:events")
        events = [json.loads(fields[b"event"]) for _, fields in lines]  # type: ignore[union-attr]
        is_end = [State(event.get("state", "queued")).is_final for event in events]
        assert is_end == [False] * (len(events) - 1) + [True], events
        heard = self.house.receiver.final
        wait_until(lambda: heard[job_id], f"the webhook of {job_id}")
        assert len(heard[job_id]) == 1, heard[job_id]

    def check_house(self) -> None:
        """Nothing waits, nothing is leased, nothing lies about; all workers are there."""
        house = self.house
        house.wait_for_api()
        house.wait_for_workers()
        assert house.store.queue_depth(MODEL) == 0
        wait_until(lambda: house.store.running() == 0, "no lease is left")
        wait_until(lambda: not list(house.spools()), "the spool is empty")

    def _check_objects(self, job: Job, sha256: str) -> None:
        house = self.house
        assert job.result is not None
        assert job.result.content_sha256 == sha256
        postpone(house.store.redis, CleanupQueue.LEFTOVERS, job.id, 0.0)  # at once, not in five minutes
        wait_until(lambda: house.store.redis.zscore(CleanupQueue.LEFTOVERS, job.id) is None, "leftovers are swept")
        made = [found.key for found in house.storage.list(attempts_prefix(job.id)) if found.key.endswith("/video.mp4")]
        assert made == [job.result.video_key]
        stored = b"".join(house.storage.read(made[0], 0, job.result.size_bytes))
        assert hashlib.sha256(stored).hexdigest() == sha256
        assert not list(house.storage.list(checkpoint_prefix(job.id)))
