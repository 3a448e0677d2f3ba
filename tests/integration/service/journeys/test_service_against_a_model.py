"""A state machine over the service: front ends, worker, keeper and Redis together behave as a dict of videos.

Callers create videos, drafts and films, promote, extend, remix, read, cancel and delete on several front ends. Equal
videos share one run. Workers complete, fail, die or give their job up for a more urgent one, operators pause the queue,
hours pass for the keeper, and Redis refuses writes. After each step the quotas are checked, and at the end of a run
the events, the webhooks, and that nothing is left after all videos are deleted. Each run has its own caller and key on
the same service; another caller has no access to its videos. The seed is printed; EASYANIMATE_TEST_SEED repeats a run.
"""

import hashlib
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from cli.stack.ports import free_port
from cli.stack.process import ManagedProcess
from cli.stack.redis_server import EmbeddedRedis
from jobs.access.api_keys import ApiKeyStore, Role
from jobs.access.quotas import DAY_S, Quotas
from jobs.model.failure import failure
from jobs.model.input_files import DRAFT_STATE
from jobs.model.job import Job
from jobs.model.limits import Limits
from jobs.model.model_card import ModelCard
from jobs.model.result_files import sibling_key
from jobs.model.steps import charged_pixel_frames
from jobs.redis import keys
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage
from jobs.storage.paths import job_prefixes, result_key
from jobs.store.keeper.preemption import Preemptions
from service.settings import ServiceSettings
from tests.announced_worker import announce_for_long
from tests.integration.service.conftest import MP4, ready
from tests.integration.service.journeys.expected_service import (
    DONE,
    FINAL,
    QUEUED_LIMIT,
    STATUS,
    Expected,
    ExpectedService,
)
from tests.job_store import JobStore
from tests.small_result import small_result

FRONT_ENDS = 3
HOUR_S = 3600.0  # longer than a lease and than each deadline here
LEASE_S = HOUR_S / 2  # no lease expires during a run, except when an hour passes
DEADLINE_S = 600.0
MAX_VIDEOS = 9
DAILY_PIXEL_FRAMES = 10**12
LIMITS = Limits(queued_jobs=QUEUED_LIMIT, pixel_frames_per_day=DAILY_PIXEL_FRAMES)
DRAFT_STEPS = 2
WORKER = "worker-1"
COMMON: dict[str, Any] = {"seed": 7, "webhook": {"url": "https://example.com/hook"}}
SHA256 = hashlib.sha256(MP4).hexdigest()

replicas = st.integers(0, FRONT_ENDS - 1)
prompts = st.sampled_from(["a", "b"])
has_room = precondition(lambda self: len(self.videos) < MAX_VIDEOS)
has_work = precondition(lambda self: self.expected.count("queued") + self.expected.count("running") > 0)


@dataclass(frozen=True)
class Service:
    """Front ends, the Redis and the storage of a worker, and the key of an operator."""

    clients: list[httpx.Client]
    redis: Redis
    storage: Storage
    model: str
    operator: str
    callers: list[str] = field(default_factory=list)


class Callers(RuleBasedStateMachine):
    """The rules use all videos, also deleted ones."""

    service: ClassVar[Service]
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.redis, self.storage = self.service.redis, self.service.storage
        self.store = JobStore(self.redis, lease_s=LEASE_S)
        self.later = JobStore(self.redis)  # the keeper an hour from now
        self.later.table.now = lambda: self.store.now() + HOUR_S  # type: ignore[method-assign]
        self.owner = f"caller-{len(self.service.callers)}"
        self.service.callers.append(self.owner)
        key_store = ApiKeyStore(self.redis)
        self.key = key_store.create("test", self.owner, LIMITS)[1]
        self.other_key = key_store.create("test", f"not-{self.owner}", Limits())[1]
        self.expected = ExpectedService()
        self.videos = self.expected.videos
        self.leased: dict[str, Job] = {}  # the last attempt of each video
        self.made: list[str] = []  # all videos, also deleted ones
        self.pixel_frames = Counter[float]()  # of all videos, by day
        self.keys_used: dict[str, tuple[str, str]] = {}  # Idempotency-Key -> prompt and video

    def call(self, replica: int, method: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.key}", **more.pop("headers", {})}
        return self.service.clients[replica].request(method, f"/v1/videos{path}", headers=headers, **more)

    @has_room
    @rule(target=ids, replica=replicas, prompt=prompts, has_deadline=st.booleans())
    def create(self, replica: int, prompt: str, has_deadline: bool) -> Any:
        body = {"prompt": prompt} | ({"deadline": self.store.now() + DEADLINE_S} if has_deadline else {})
        answer = self.call(replica, "POST", "", json=COMMON | body)
        return self._created(answer, prompt, f"create {prompt}", has_deadline=has_deadline)

    @has_room
    @rule(target=ids, replica=replicas)
    def create_a_draft(self, replica: int) -> Any:
        body = {"prompt": "d", "draft": {"steps": DRAFT_STEPS}, "priority": "low"}
        answer = self.call(replica, "POST", "", json=COMMON | body)
        return self._created(answer, "d", "draft", draft_steps=DRAFT_STEPS, priority="low")

    @has_room
    @rule(target=ids, replica=replicas, prompt=prompts)
    def create_a_film(self, replica: int, prompt: str) -> Any:
        body = {"shots": [{"prompt": each, "num_frames": 8} for each in (prompt, "z")]}
        answer = self.call(replica, "POST", "", json=COMMON | body)
        return self._created(answer, f"{prompt}\nz", f"film {prompt}", num_shots=2)

    @has_room
    @rule(target=ids, replica=replicas, video_id=ids, data=st.data())
    def promote(self, replica: int, video_id: str, data: st.DataObject) -> Any:
        """Only a finished draft can be promoted, as often as its owner likes."""
        video_id = self._one_that_is("draft", data, video_id)
        body = {"priority": "high", "webhook": COMMON["webhook"]}
        answer = self.call(replica, "POST", f"/{video_id}/promote", json=body)
        draft = self.videos.get(video_id)
        if draft is None:
            return self._refused(answer, 404, "video_not_found")
        if draft.draft_steps is None:
            return self._refused(answer, 400, "invalid_request")
        if draft.state != "draft":
            return self._refused(answer, 409, "video_not_ready")
        if not draft.has_files and not self.expected.is_full():
            return self._refused(answer, 410, "asset_expired")
        return self._created(answer, "d", f"promote {video_id}", promoted_from=video_id, priority="high")

    @has_room
    @rule(target=ids, replica=replicas, video_id=ids, data=st.data())
    def extend(self, replica: int, video_id: str, data: st.DataObject) -> Any:
        """Only a completed video can be extended; the extension holds its frames and 16 more."""
        video_id = self._one_that_is("completed", data, video_id)
        body = {"prompt": "c", "num_frames": 16, "video": {"id": video_id}}
        answer = self.call(replica, "POST", "/extensions", json=COMMON | body)
        source = self.videos.get(video_id)
        if source is None:
            return self._refused(answer, 404, "video_not_found")
        if source.state != "completed":
            return self._refused(answer, 409, "video_not_ready")
        if not source.has_files and not self.expected.is_full():
            return self._refused(answer, 410, "asset_expired")
        more = {"num_frames": source.num_frames + 16, "source": video_id}
        return self._created(answer, "c", f"extend {video_id}", **more)

    @has_room
    @rule(target=ids, replica=replicas, video_id=ids, data=st.data())
    def remix(self, replica: int, video_id: str, data: st.DataObject) -> Any:
        """Only a completed video can be remixed: a film with a changed shot, another one with another prompt."""
        video_id = self._one_that_is("completed", data, video_id)
        source = self.videos.get(video_id)
        is_film = source is not None and source.num_shots > 0
        body = {"shots": {"1": {"prompt": "y"}}} if is_film else {"prompt": "r"}
        body["webhook"] = COMMON["webhook"]
        answer = self.call(replica, "POST", f"/{video_id}/remix", json=body)
        if source is None:
            return self._refused(answer, 404, "video_not_found")
        if source.state != "completed":
            return self._refused(answer, 409, "video_not_ready")
        if source.source is not None and not source.has_inputs and not self.expected.is_full():
            return self._refused(answer, 410, "asset_expired")
        prompt = source.prompt.partition("\n")[0] + "\ny" if is_film else "r"
        more = {"num_frames": source.num_frames, "num_shots": source.num_shots, "source": source.source}
        return self._created(answer, prompt, f"remix {video_id}", remixed_from=video_id, **more)

    @rule(target=ids, replica=replicas, prompt=prompts, name=st.sampled_from(["x", "y"]))
    def create_with_a_key(self, replica: int, prompt: str, name: str) -> Any:
        """The same request gets the same video; another request with the same key is refused."""
        answer = self.call(replica, "POST", "", json=COMMON | {"prompt": prompt}, headers={"Idempotency-Key": name})
        first = self.keys_used.get(name)
        if first is None:
            assert "idempotency-replayed" not in answer.headers
            is_accepted = not self.expected.is_full()
            video_id = self._created(answer, prompt, f"create {prompt}")
            if is_accepted:  # a refused request does not use the key
                self.keys_used[name] = (prompt, video_id)
            return video_id
        first_prompt, video_id = first
        if first_prompt != prompt:
            self._refused(answer, 422, "idempotency_key_reused")
        elif video_id not in self.videos:
            self._refused(answer, 404, "video_not_found")
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
            self._refused(answer, 404, "video_not_found")
        elif video.is_final:
            self._refused(answer, 409, "not_cancellable")
        else:
            self.expected.cancel(video_id)
            self._matches_the_model(answer.raise_for_status().json())

    @rule(replica=replicas, video_id=ids)
    def delete(self, replica: int, video_id: str) -> None:
        """An equal video starts only after the worker of a deleted one has stopped."""
        answer = self.call(replica, "DELETE", f"/{video_id}")
        if video_id not in self.videos:
            self._refused(answer, 404, "video_not_found")
            return
        assert answer.json() == {"id": video_id, "object": "video.deleted", "deleted": True}
        equal = self.expected.equal_to(video_id, "queued")
        if self.videos.pop(video_id).state == "running":
            assert [self.store.lease(each, WORKER) for each in equal] == [None] * len(equal)
            self.store.workers.end_shared_run(self.leased[video_id])

    @rule(replica=replicas, video_id=ids, first=st.integers(0, 40))
    def download(self, replica: int, video_id: str, first: int) -> None:
        answer = self.call(replica, "GET", f"/{video_id}/content", headers={"Range": f"bytes={first}-"})
        video = self.videos.get(video_id)
        if video is None:
            assert (answer.status_code, self._code(answer)) == (404, "video_not_found")
        elif video.state not in DONE:
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

    @rule(replica=replicas, lasts=st.sampled_from([True, False, False]), data=st.data())
    def an_operator_pauses_or_resumes_the_queue(self, replica: int, lasts: bool, data: st.DataObject) -> None:
        """Videos are accepted and wait, also urgent ones; running ones go on."""
        if not self.expected.is_paused:
            self._pause(replica, is_paused=True)
            if self.expected.count("queued"):
                self._lease(self._drawn("queued", data))
        if not lasts:
            self._pause(replica, is_paused=False)

    @has_work
    @rule(replica=replicas, data=st.data())
    def a_worker_acts(self, replica: int, data: st.DataObject) -> None:
        """Begins, completes, fails, or gives up a video."""
        begun = [self._begin, self._make] if self.expected.count("queued") else []
        ended = [self._finish, self._fail] if self.expected.count("running") else []
        swapped = [self._swap] if begun and ended else []
        data.draw(st.sampled_from([*begun, *ended, *swapped]))(replica, data)

    @has_work
    @rule(replica=replicas, data=st.data())
    def another_worker_acts(self, replica: int, data: st.DataObject) -> None:
        """The same: each run leaves some rules out, and rarely both of these."""
        self.a_worker_acts(replica, data)

    def _begin(self, _: int, data: st.DataObject) -> None:
        self._lease(self._drawn("queued", data))

    def _make(self, _: int, data: st.DataObject) -> None:
        video_id = self._drawn("queued", data)
        self._lease(video_id)
        if self.videos[video_id].state == "running":
            self._complete(self.leased[video_id])

    def _finish(self, _: int, data: st.DataObject) -> None:
        video_id = self._drawn("running", data)
        if not self.videos[video_id].cancel_requested:
            self._complete(self.leased[video_id])

    def _fail(self, _: int, data: st.DataObject) -> None:
        """Fails a video, or cancels it on request."""
        video_id = self._drawn("running", data)
        is_cancelled, token = self.videos[video_id].cancel_requested, self.videos[video_id].token or ""
        assert self.store.fail(video_id, token, failure("cancelled" if is_cancelled else "internal_error"))
        if is_cancelled:
            self.expected.stop(video_id, "cancelled")
        else:
            self.expected.end(video_id, "failed", self._ended_at(video_id))

    def _swap(self, replica: int, data: st.DataObject) -> None:
        """The keeper asks for the worker of a video, which returns it at no cost, unless its owner has cancelled it."""
        video_id, urgent_id = self._drawn("running", data), self._drawn("queued", data)
        token, preemptions = self.videos[video_id].token or "", Preemptions(self.store.table)
        is_requested = preemptions.request(self.store.get(urgent_id), self.store.get(video_id))
        assert is_requested == self.expected.may_be_preempted(video_id, urgent_id)
        if not is_requested:
            return
        assert self.store.heartbeat(video_id, token).preempted_for == urgent_id
        if data.draw(st.booleans()):  # in the middle of the swap
            self.cancel(replica, video_id)
        assert self.store.preempt(video_id, token)
        assert preemptions.withdraw_unneeded() == []
        assert preemptions.pending() == {}
        self.expected.preempt(video_id)

    @precondition(lambda self: self.videos)
    @rule()
    def workers_die_and_an_hour_passes(self) -> None:
        """The keeper requeues the jobs of dead workers, fails them after the last attempt, and expires late jobs."""
        for job_id in self.later.overdue():
            self.later.recover(job_id)
        self.later.expire_late()
        self.expected.let_an_hour_pass(self._ended_at)

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
            if video_id in self.videos and not self.videos[video_id].is_final:
                refused.append(self.call(replica, "POST", f"/{video_id}/cancel"))
            if video_id in self.videos:
                refused.append(self.call(replica, "DELETE", f"/{video_id}"))
                self.expected.refuse_deletion(video_id)
            for answer in refused:
                assert (answer.status_code, self._code(answer)) == (503, "queue_unavailable")
            self.read(replica, video_id)
        finally:
            self.service.redis.config_set("maxmemory", "0")
        self.list_all(replica, 4, "asc")

    @invariant()
    def the_quotas_are_those_of_the_model(self) -> None:
        """A refused request uses nothing of them."""
        today = self.pixel_frames[self.store.now() // DAY_S]
        left = {each.name: each.left for each in Quotas(self.redis).preview(self.owner, LIMITS, 0, 0)}
        waiting = self.expected.count("queued")
        assert left == {"queued-jobs": max(0, QUEUED_LIMIT - waiting), "pixel-frames": DAILY_PIXEL_FRAMES - today}
        assert self.redis.scard(keys.owner_running_key(self.owner)) == self.expected.count("running")

    def teardown(self) -> None:
        """Each ended video has one final event and one final webhook, and a deletion leaves nothing."""
        try:
            self.list_all(0, 4, "desc")
            for video_id, video in self.videos.items():
                events = [json.loads(fields[b"event"]) for _, fields in self.redis.xrange(keys.events_key(video_id))]
                states = [event["state"] for event in events if "state" in event]
                assert [state for state in states if state in FINAL] == ([video.state] if video.is_final else [])
                assert not video.is_final or states[-1] == video.state
                assert self.redis.zcard(keys.ledger_key(video_id)) == video.is_final
        finally:
            self._pause(0, is_paused=False)
            for video_id in list(self.videos):
                self.delete(0, video_id)
        self._has_left_nothing()

    def _has_left_nothing(self) -> None:
        for video_id in self.made:
            names = (keys.record_key, keys.events_key, keys.attempts_key, keys.ledger_key)
            assert self.redis.exists(*(name(video_id) for name in names)) == 0
            assert [item.key for prefix in job_prefixes(video_id) for item in self.storage.list(prefix)] == []
        sets = keys.owner_waiting_key(self.owner), keys.owner_running_key(self.owner), keys.index_key(self.owner)
        assert self.redis.exists(*sets, keys.LEASES_KEY, keys.PREEMPTIONS_KEY, keys.DEADLINES_KEY) == 0
        assert [*self.redis.scan_iter("shared:jobs:*"), *self.redis.scan_iter("shared:run:*")] == []
        assert self.store.queue_depth(self.service.model) == 0

    def _drawn(self, state: str, data: st.DataObject) -> str:
        """A video in this state."""
        return data.draw(st.sampled_from([name for name, video in self.videos.items() if video.state == state]))

    def _one_that_is(self, state: str, data: st.DataObject, other: str) -> str:
        """Mostly a video in this state, if there is one."""
        is_drawn = self.expected.count(state) > 0 and data.draw(st.sampled_from([True, True, False]))
        return self._drawn(state, data) if is_drawn else other

    def _created(self, answer: httpx.Response, prompt: str, work: str, **more: Any) -> Any:
        """Adds a new video to the model, unless the quota of the caller is used up."""
        if self.expected.is_full():
            return self._refused(answer, 429, "rate_limited")
        record = answer.raise_for_status().json()
        assert record["id"] not in self.made
        job = self.store.get(record["id"])
        self.made.append(job.id)
        self.pixel_frames[job.created_at // DAY_S] += charged_pixel_frames(job.request)
        self.videos[job.id] = Expected(prompt, work, job.created_at, **more)
        return str(record["id"])

    def _refused(self, answer: httpx.Response, status: int, code: str) -> Any:
        assert (answer.status_code, self._code(answer)) == (status, code)
        return multiple()

    def _pause(self, replica: int, *, is_paused: bool) -> None:
        path = f"/v1/admin/queues/{self.service.model}/{'pause' if is_paused else 'resume'}"
        headers = {"Authorization": f"Bearer {self.service.operator}"}
        row = self.service.clients[replica].post(path, headers=headers).raise_for_status().json()
        assert (row["reason"] == "paused") == is_paused
        self.expected.is_paused = is_paused

    def _lease(self, video_id: str) -> None:
        """A worker begins an attempt at a waiting video, if it may, and copies the outcome of an equal one."""
        job = self.store.lease(video_id, WORKER)
        assert (job is not None) == self.expected.may_start(video_id)
        if job is None:
            return
        self.leased[video_id] = job
        assert self.expected.lease(video_id, job.token).handover == job.handover
        outcome = self.store.workers.shared_outcome(job)
        assert (outcome and outcome.id) == self.expected.outcome(video_id)
        if outcome is not None:
            self._copy_outcome(job, outcome)

    def _copy_outcome(self, job: Job, outcome: Job) -> None:
        equal = self.videos[outcome.id]
        if outcome.result is None:
            assert self.store.fail(job.id, job.token or "", outcome.failure or failure("internal_error"))
            self.expected.end(job.id, equal.state, self._ended_at(job.id))
        elif equal.has_files:  # otherwise it has a run of its own
            self._complete(job, equal.shared_with or outcome.id)

    def _complete(self, job: Job, shared_with: str | None = None) -> None:
        """Stores the files of an attempt and commits its result."""
        key = result_key(job.id, job.attempt, job.token or "", "video.mp4")
        names = {key: MP4} | ({sibling_key(key, DRAFT_STATE): b"state"} if job.request.draft_steps else {})
        for name, content in names.items():
            self.storage.put_bytes(name, content)
        result = small_result(key, content_sha256=SHA256, size_bytes=len(MP4), shared_with=shared_with)
        assert self.store.complete(job.id, job.token or "", result)
        self.videos[job.id].shared_with = shared_with
        self.expected.complete(job.id, self._ended_at(job.id))

    def _ended_at(self, video_id: str) -> float:
        return self.store.get(video_id).completed_at or 0.0

    def _matches_the_model(self, record: dict[str, Any]) -> None:
        video = self.videos[record["id"]]
        assert (record["state"], record["status"]) == (video.state, STATUS.get(video.state, "failed"))
        assert (record["prompt"], record["seed"]) == (video.prompt, COMMON["seed"])
        assert (record["num_frames"], record["priority"]) == (video.num_frames, video.priority)
        assert len(record["shots"] or []) == video.num_shots
        parents = record["promoted_from"], record["remixed_from_video_id"], record["source_video_id"]
        assert parents == (video.promoted_from, video.remixed_from, video.source)
        assert record["shared_with"] == video.shared_with
        assert (record["preemption"] or {"count": 0})["count"] == video.preemptions
        assert (record["error"] is not None) == (record["status"] == "failed")
        assert (record["content_sha256"] == SHA256) == (record["status"] == "completed")
        if record["queue"] is not None:
            assert (record["queue"]["reason"] == "paused") == self.expected.is_paused

    @staticmethod
    def _code(answer: httpx.Response) -> str:
        return str(answer.json()["error"]["code"])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Iterator[Service]:
    """Several front end processes over one Redis and one folder."""
    folder = tmp_path_factory.mktemp("several")
    server = EmbeddedRedis(folder, free_port()).start()
    settings = ServiceSettings.model_validate({"redis_url": server.url, "data_dir": folder, "auth": "keys"})
    with Redis.from_url(server.url) as redis:
        announce_for_long(redis, card)
        common = {"EASYANIMATE_REDIS_URL": server.url, "EASYANIMATE_DATA_DIR": str(folder), "EASYANIMATE_AUTH": "keys"}
        common["EASYANIMATE_SHARE_WORK"] = "on"
        ports = [free_port() for _ in range(FRONT_ENDS)]
        apis = [
            ManagedProcess("api", "service", {**common, "EASYANIMATE_PORT": str(port)}, folder / "log")
            for port in ports
        ]
        for api in apis:
            api.start()
        clients = [httpx.Client(base_url=ready(f"http://127.0.0.1:{port}"), timeout=240) for port in ports]
        operator = ApiKeyStore(redis).create("test", "operator", Limits(), Role.ADMIN)[1]
        yield Service(clients, redis, open_storage(settings), card.name, operator)
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
            max_examples=8,
            stateful_step_count=75,
            deadline=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
