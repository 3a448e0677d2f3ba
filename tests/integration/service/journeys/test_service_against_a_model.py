"""A state machine over the service: front ends, worker, keeper and Redis together behave as a dict of videos.

Callers create, draft, promote, extend, read, cancel and delete on several front ends. Workers complete, fail, die or
give their job up for a more urgent one, hours pass for the keeper, and Redis refuses writes. Each run has its own
caller and key on the same service; another caller has no access to its videos. The seed is printed;
EASYANIMATE_TEST_SEED repeats a run.
"""

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, precondition, rule, run_state_machine_as_test
from redis import Redis

from cli.stack.ports import free_port
from cli.stack.process import ManagedProcess
from cli.stack.redis_server import EmbeddedRedis
from jobs.access.api_keys import ApiKeyStore
from jobs.model.failure import failure
from jobs.model.input_files import DRAFT_STATE
from jobs.model.limits import Limits
from jobs.model.model_card import ModelCard
from jobs.model.result_files import sibling_key
from jobs.storage.factory import open_storage
from jobs.store.keeper.preemption import MAX_PREEMPTIONS, Preemptions
from jobs.store.transitions import MAX_ATTEMPTS
from service.settings import ServiceSettings
from tests.announced_worker import announce_for_long
from tests.integration.service.conftest import MP4, finished, ready
from tests.job_store import JobStore

FRONT_ENDS = 3
HOUR_S = 3600.0  # longer than a lease and than each deadline here
DEADLINE_S = 600.0
MAX_VIDEOS = 6
STATUS = {
    "queued": "queued",
    "running": "in_progress",
    "completed": "completed",
    "draft": "completed",
}  # others: failed
DRAFT_STEPS = 2

replicas = st.integers(0, FRONT_ENDS - 1)


@dataclass
class Expected:
    """The expected state of one video."""

    prompt: str
    state: str = "queued"
    cancel_requested: bool = False
    token: str | None = None
    attempt: int = 0  # leases that ended by the death of their worker, or run
    has_deadline: bool = False
    num_frames: int = 16
    draft_steps: int | None = None
    promoted_from: str | None = None
    preemptions: int = 0
    priority: str = "normal"
    has_files: bool = True
    last_read: tuple[str, dict[str, Any]] | None = None  # the last ETag and its record


@dataclass(frozen=True)
class Service:
    """Front ends, and the Redis and settings of a worker."""

    clients: list[httpx.Client]
    redis: Redis
    settings: ServiceSettings
    keys: list[int] = field(default_factory=list)


class Callers(RuleBasedStateMachine):
    """The rules use all videos, also deleted ones."""

    service: ClassVar[Service]
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.store = JobStore(self.service.redis)
        self.later = JobStore(self.service.redis)  # the keeper an hour from now
        self.later.table.now = lambda: self.store.now() + HOUR_S  # type: ignore[method-assign]
        key_store = ApiKeyStore(self.service.redis)
        self.service.keys.append(0)
        owner = f"caller-{len(self.service.keys)}"
        self.key, self.other_key = (key_store.create("test", name, Limits())[1] for name in (owner, f"not-{owner}"))
        self.videos: dict[str, Expected] = {}
        self.keys_used: dict[str, tuple[str, str]] = {}  # Idempotency-Key -> prompt and video

    def call(self, replica: int, method: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.key}", **more.pop("headers", {})}
        return self.service.clients[replica].request(method, f"/v1/videos{path}", headers=headers, **more)

    @precondition(lambda self: len(self.videos) < MAX_VIDEOS)
    @rule(target=ids, replica=replicas, prompt=st.sampled_from(["a", "b"]), has_deadline=st.booleans())
    def create(self, replica: int, prompt: str, has_deadline: bool) -> str:
        body = {"prompt": prompt, "seed": 7} | ({"deadline": self.store.now() + DEADLINE_S} if has_deadline else {})
        record = self.call(replica, "POST", "", json=body).raise_for_status().json()
        assert record["id"] not in self.videos
        self.videos[record["id"]] = Expected(prompt, has_deadline=has_deadline)
        return str(record["id"])

    @precondition(lambda self: len(self.videos) < MAX_VIDEOS)
    @rule(target=ids, replica=replicas)
    def create_a_draft(self, replica: int) -> str:
        body = {"prompt": "d", "seed": 7, "draft": {"steps": DRAFT_STEPS}, "priority": "low"}
        record = self.call(replica, "POST", "", json=body).raise_for_status().json()
        self.videos[record["id"]] = Expected("d", draft_steps=DRAFT_STEPS, priority="low")
        return str(record["id"])

    @precondition(lambda self: len(self.videos) < MAX_VIDEOS)
    @rule(target=ids, replica=replicas, video_id=ids)
    def promote(self, replica: int, video_id: str) -> Any:
        """Only a finished draft can be promoted, as often as its owner likes."""
        answer = self.call(replica, "POST", f"/{video_id}/promote", json={"priority": "high"})
        draft = self.videos.get(video_id)
        if draft is None:
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
        elif draft.draft_steps is None:
            assert (answer.status_code, self._code(answer)) == (400, "invalid_request")
        elif draft.state != "draft":
            assert (answer.status_code, self._code(answer)) == (409, "video_not_ready")
        elif not draft.has_files:
            assert (answer.status_code, self._code(answer)) == (410, "asset_expired")
        else:
            record = answer.raise_for_status().json()
            self.videos[record["id"]] = Expected("d", promoted_from=video_id, priority="high")
            return str(record["id"])
        return multiple()

    @precondition(lambda self: len(self.videos) < MAX_VIDEOS)
    @rule(target=ids, replica=replicas, video_id=ids)
    def extend(self, replica: int, video_id: str) -> Any:
        """Only a completed video can be extended; the extension holds its frames and 16 more."""
        body = {"prompt": "c", "seed": 7, "num_frames": 16, "video": {"id": video_id}}
        answer = self.call(replica, "POST", "/extensions", json=body)
        source = self.videos.get(video_id)
        if source is None:
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
            return multiple()
        if source.state != "completed":
            assert (answer.status_code, self._code(answer)) == (409, "video_not_ready")
            return multiple()
        if not source.has_files:
            assert (answer.status_code, self._code(answer)) == (410, "asset_expired")
            return multiple()
        record = answer.raise_for_status().json()
        assert record["source_video_id"] == video_id
        self.videos[record["id"]] = Expected("c", num_frames=source.num_frames + 16)
        return str(record["id"])

    @rule(target=ids, replica=replicas, prompt=st.sampled_from(["a", "b"]), name=st.sampled_from(["x", "y"]))
    def create_with_a_key(self, replica: int, prompt: str, name: str) -> str:
        """The same request gets the same video; another request with the same key is refused."""
        answer = self.call(replica, "POST", "", json={"prompt": prompt, "seed": 7}, headers={"Idempotency-Key": name})
        first = self.keys_used.get(name)
        if first is None:
            video_id = str(answer.raise_for_status().json()["id"])
            self.keys_used[name] = (prompt, video_id)
            self.videos[video_id] = Expected(prompt)
            assert "idempotency-replayed" not in answer.headers
            return video_id
        first_prompt, video_id = first
        if first_prompt != prompt:
            assert (answer.status_code, self._code(answer)) == (422, "idempotency_key_reused")
        elif video_id not in self.videos:
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
        else:
            assert (answer.json()["id"], answer.headers["idempotency-replayed"]) == (video_id, "true")
            self._matches_the_model(answer.json())
        return video_id

    @rule(replica=replicas, video_id=ids)
    def read(self, replica: int, video_id: str) -> None:
        answer = self.call(replica, "GET", f"/{video_id}")
        if video_id not in self.videos:
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
            return
        self._matches_the_model(answer.json())
        self.videos[video_id].last_read = answer.headers["etag"], answer.json()

    @rule(replica=replicas, video_id=ids)
    def read_if_changed(self, replica: int, video_id: str) -> None:
        """A 304 from any front end means that nothing has changed."""
        video = self.videos.get(video_id)
        if video is None or video.last_read is None:
            return
        tag, record_before = video.last_read
        answer = self.call(replica, "GET", f"/{video_id}", headers={"If-None-Match": tag})
        record = record_before if answer.status_code == 304 else answer.raise_for_status().json()
        self._matches_the_model(record)

    @rule(replica=replicas, video_id=ids)
    def cancel(self, replica: int, video_id: str) -> None:
        answer = self.call(replica, "POST", f"/{video_id}/cancel")
        video = self.videos.get(video_id)
        if video is None:
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
        elif video.state not in ("queued", "running"):
            assert (answer.status_code, self._code(answer)) == (409, "not_cancellable")
        else:
            video.state = "cancelled" if video.state == "queued" else "running"
            video.cancel_requested = video.state == "running"
            self._matches_the_model(answer.raise_for_status().json())

    @rule(replica=replicas, video_id=ids)
    def delete(self, replica: int, video_id: str) -> None:
        answer = self.call(replica, "DELETE", f"/{video_id}")
        if self.videos.pop(video_id, None) is None:
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
        else:
            assert answer.json() == {"id": video_id, "object": "video.deleted", "deleted": True}

    @rule(replica=replicas, video_id=ids, first=st.integers(0, 40))
    def download(self, replica: int, video_id: str, first: int) -> None:
        answer = self.call(replica, "GET", f"/{video_id}/content", headers={"Range": f"bytes={first}-"})
        video = self.videos.get(video_id)
        if video is None:
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
        elif video.state not in ("completed", "draft"):
            assert (answer.status_code, self._code(answer)) == (409, "video_not_ready")
        elif not video.has_files:
            assert (answer.status_code, self._code(answer)) == (410, "asset_expired")
        else:
            assert (answer.status_code, answer.content) == (206, MP4[first:])

    @rule(replica=replicas, limit=st.integers(1, 4), order=st.sampled_from(["asc", "desc"]))
    def list_all(self, replica: int, limit: int, order: str) -> None:
        records: list[dict[str, Any]] = []
        page: dict[str, Any] = {"has_more": True, "last_id": None}
        while page["has_more"]:
            parameters = {"limit": limit, "order": order} | ({"after": page["last_id"]} if page["last_id"] else {})
            page = self.call(replica, "GET", "", params=parameters).raise_for_status().json()
            records += page["data"]
            replica = (replica + 1) % FRONT_ENDS
        expected = list(self.videos) if order == "asc" else list(self.videos)[::-1]
        assert [record["id"] for record in records] == expected
        for record in records:
            self._matches_the_model(record)

    @rule(replica=replicas, video_id=ids)
    def another_caller_has_no_access(self, replica: int, video_id: str) -> None:
        for method, path in (("GET", ""), ("GET", "/content"), ("POST", "/cancel"), ("DELETE", "")):
            answer = self.call(replica, method, f"/{video_id}{path}", key=self.other_key)
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
        assert self.call(replica, "GET", "", key=self.other_key).json()["data"] == []

    @rule(video_id=ids)
    def a_worker_leases_it(self, video_id: str) -> None:
        video = self.videos.get(video_id)
        if video is not None and video.state == "queued":
            job = self.store.lease(video_id, "worker-1")
            assert job is not None
            video.state, video.token = "running", job.token
            video.attempt += 1

    @rule(video_id=ids)
    def a_worker_completes_it(self, video_id: str) -> None:
        video = self.videos.get(video_id)
        if video is not None and video.state == "queued":
            finished(self.store, self.service.settings, video_id)
            video.state = "completed"
            if video.draft_steps is not None:
                result = self.store.get(video_id).result
                assert result is not None
                open_storage(self.service.settings).put_bytes(sibling_key(result.video_key, DRAFT_STATE), b"state")
                video.state = "draft"

    @rule(video_id=ids, urgent_id=ids)
    def a_more_urgent_video_gets_the_worker(self, video_id: str, urgent_id: str) -> None:
        """The keeper asks, and the worker returns the first video at no cost, unless its owner has cancelled it."""
        video, urgent = self.videos.get(video_id), self.videos.get(urgent_id)
        if video is None or urgent is None or (video.state, urgent.state) != ("running", "queued"):
            return
        preemptions = Preemptions(self.store.table)
        is_requested = preemptions.request(self.store.get(urgent_id), self.store.get(video_id))
        assert is_requested == (not video.cancel_requested and video.preemptions < MAX_PREEMPTIONS)
        if not is_requested:
            return
        assert self.store.heartbeat(video_id, video.token or "").preempted_for == urgent_id
        assert self.store.preempt(video_id, video.token or "")
        assert preemptions.withdraw_unneeded() == []
        assert preemptions.pending() == {}
        video.state, video.attempt, video.preemptions = "queued", video.attempt - 1, video.preemptions + 1

    @rule(video_id=ids)
    def a_worker_fails(self, video_id: str) -> None:
        """Fails the video, or cancels it on request."""
        video = self.videos.get(video_id)
        if video is not None and video.state == "running":
            assert video.token is not None
            code = "cancelled" if video.cancel_requested else "internal_error"
            assert self.store.fail(video_id, video.token, failure(code))
            video.state = "cancelled" if video.cancel_requested else "failed"

    @precondition(lambda self: self.videos)
    @rule()
    def workers_die_and_an_hour_passes(self) -> None:
        """The keeper requeues the jobs of dead workers, fails them after the last attempt, and expires late jobs."""
        for job_id in self.later.overdue():
            self.later.recover(job_id)
        self.later.expire_late()
        for video in self.videos.values():
            if video.state == "running" and video.cancel_requested:
                video.state = "cancelled"
            elif video.state in ("running", "queued") and video.has_deadline:
                video.state = "expired"
            elif video.state == "running":
                video.state = "queued" if video.attempt < MAX_ATTEMPTS else "failed"

    @rule(video_id=ids)
    def a_dead_worker_returns(self, video_id: str) -> None:
        """Its token is not valid any more: it cannot end the job."""
        video = self.videos.get(video_id)
        if video is not None and video.state != "running" and video.token is not None:
            assert not self.store.fail(video_id, video.token, failure("internal_error"))

    @rule(replica=replicas, video_id=ids)
    def redis_refuses_writes(self, replica: int, video_id: str) -> None:
        """Changes are refused with 503, and reads work. A refused deletion has deleted the files."""
        self.service.redis.config_set("maxmemory", "1")
        try:
            refused = [self.call(replica, "POST", "", json={"prompt": "a"})]
            if video_id in self.videos and self.videos[video_id].state in ("queued", "running"):
                refused.append(self.call(replica, "POST", f"/{video_id}/cancel"))
            if video_id in self.videos:
                refused.append(self.call(replica, "DELETE", f"/{video_id}"))
                self.videos[video_id].has_files &= self.videos[video_id].state not in ("completed", "draft")
            for answer in refused:
                assert (answer.status_code, self._code(answer)) == (503, "queue_unavailable")
            self.read(replica, video_id)
        finally:
            self.service.redis.config_set("maxmemory", "0")
        self.list_all(replica, 4, "asc")

    def teardown(self) -> None:
        self.list_all(0, 4, "desc")

    def _matches_the_model(self, record: dict[str, Any]) -> None:
        video = self.videos[record["id"]]
        assert (record["state"], record["status"]) == (video.state, STATUS.get(video.state, "failed"))
        assert (record["prompt"], record["seed"]) == (video.prompt, 7)
        assert (record["num_frames"], record["priority"]) == (video.num_frames, video.priority)
        assert record["promoted_from"] == video.promoted_from
        assert (record["preemption"] or {"count": 0})["count"] == video.preemptions
        assert (record["error"] is not None) == (record["status"] == "failed")
        assert (record["content_sha256"] == SHA256) == (record["status"] == "completed")

    @staticmethod
    def _code(answer: httpx.Response) -> str:
        return str(answer.json()["error"]["code"])


SHA256 = hashlib.sha256(MP4).hexdigest()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Iterator[Service]:
    """Several front end processes over one Redis and one folder."""
    folder = tmp_path_factory.mktemp("several")
    server = EmbeddedRedis(folder, free_port()).start()
    settings = ServiceSettings.model_validate({"redis_url": server.url, "data_dir": folder, "auth": "keys"})
    with Redis.from_url(server.url) as redis:
        announce_for_long(redis, card)
        common = {"EASYANIMATE_REDIS_URL": server.url, "EASYANIMATE_DATA_DIR": str(folder), "EASYANIMATE_AUTH": "keys"}
        ports = [free_port() for _ in range(FRONT_ENDS)]
        apis = [
            ManagedProcess("api", "service", {**common, "EASYANIMATE_PORT": str(port)}, folder / "log")
            for port in ports
        ]
        for api in apis:
            api.start()
        clients = [httpx.Client(base_url=ready(f"http://127.0.0.1:{port}"), timeout=60) for port in ports]
        yield Service(clients, redis, settings)
        for client in clients:
            client.close()
        for api in apis:
            api.end(20)
    server.stop()


def test_the_service_behaves_as_a_dict_of_videos(service: Service) -> None:
    number = int(os.environ.get("EASYANIMATE_TEST_SEED", random.randrange(1 << 32)))
    print(f"EASYANIMATE_TEST_SEED={number}")  # noqa: T201
    run_state_machine_as_test(
        seed(number)(type("Bound", (Callers,), {"service": service})),
        settings=settings(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
