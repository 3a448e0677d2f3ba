"""`/attempts` lists every attempt at a video, for its owner only."""

from collections.abc import Callable

import httpx

from jobs.model.failure import failure
from tests.job_store import JobStore


def test_the_owner_reads_every_attempt(
    api: httpx.Client, store: JobStore, code_of: Callable[[httpx.Response], str]
) -> None:
    video_id = api.post("/v1/videos", json={"prompt": "a red fox"}).json()["id"]
    assert api.get(f"/v1/videos/{video_id}/attempts").json() == {"object": "list", "data": []}
    job = store.lease(video_id, "worker-1")
    assert job is not None
    assert job.token is not None
    assert store.retry(video_id, job.token, failure("execution_timeout"))
    store.lease(video_id, "worker-2")
    first, second = api.get(f"/v1/videos/{video_id}/attempts").json()["data"]
    assert (first["worker"], first["outcome"], first["blame"]) == ("worker-1", "retried", "infrastructure")
    assert first["ended_at"] >= first["started_at"]
    assert (second["number"], second["worker"], second["outcome"], second["ended_at"]) == (2, "worker-2", None, None)
    assert code_of(api.get("/v1/videos/video_nope/attempts")) == "video_not_found"
