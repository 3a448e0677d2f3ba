"""Several attempts at a job, a keeper and a caller write during each other's writes: one attempt counts.

A write reads the record, decides, and commits. Here a second write happens between decision and commit of the first,
for any pair that Hypothesis draws. Attempts that lost their lease long ago try every write too.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis

from jobs.errors import NotCancellable
from jobs.model.failure import failure
from jobs.model.job import PUBLIC_STATUSES, Job, Result
from jobs.model.request import WEBHOOK_EVENTS
from jobs.model.result_files import Segment
from jobs.model.states import Phase, State
from jobs.redis import keys
from jobs.redis.keys import attempts_key, ledger_key
from jobs.store import records
from jobs.store.attempt_log import Outcome, parse_lines
from jobs.store.keeper.recovery import NO_HEARTBEAT
from jobs.store.keeper.retention import CleanupQueue
from jobs.store.transitions import MAX_ATTEMPTS
from tests.job_store import JobStore

MODEL, OWNER = "easyanimate-v3-tiny", "default"
MAX_JOBS = 2
STEPS = 10
PUBLIC = dict.fromkeys(State, "failed") | {
    State.QUEUED: "queued",
    State.RUNNING: "in_progress",
    State.COMPLETED: "completed",
}
FINAL = [state for state in State if state.is_final]
ROWS = """
local types = {}
for i, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  types[i] = redis.call('HGET', 'delivery:' .. id, 'type')
end
return types
"""
DUMP = """
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  all[#all + 1] = key
  all[#all + 1] = redis.call('DUMP', key)
end
return all
"""


@dataclass
class Expected:
    """The expected record of one job, with its events in order."""

    state: State = State.QUEUED
    attempt: int = 0
    handover: int = 0
    token: str | None = None
    step: int = 0
    cancel_requested: bool = False
    preview: str | None = None
    segment: str | None = None
    result: str | None = None
    failure: str | None = None
    outcomes: list[Outcome | None] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def add_queued_event(self) -> None:
        if not self.events:
            self.events.append("queued")

    def lease(self, token: str) -> None:
        self.add_queued_event()
        self.state, self.token, self.attempt = State.RUNNING, token, self.attempt + 1
        self.tokens.append(token)
        self.outcomes.append(None)
        self.events += [f"log Attempt {self.attempt} begins on w.", "running"]

    def end(self, state: State, outcome: Outcome, why: str | None = None, result: str | None = None) -> None:
        if self.state is State.RUNNING:
            self.outcomes[-1] = outcome
        self.add_queued_event()
        self.state, self.token, self.failure, self.result = state, None, why, result
        self.segment = None  # a result has all segments; a failed job has none
        self.events.append(state.value)

    def requeue(self, outcome: Outcome, message: str) -> None:
        if self.cancel_requested:
            return self.end(State.CANCELLED, outcome, "cancelled")
        self.outcomes[-1] = outcome
        self.state, self.token, self.step, self.handover = State.QUEUED, None, 0, self.handover + 1
        self.attempt -= outcome is Outcome.RELEASED
        self.events += [f"log {message}", "queued"]
        return None


@dataclass(frozen=True)
class Write:
    """One call of the store: `do` executes it, `expect` changes the expected job and returns the expected result."""

    name: str
    do: Callable[[JobStore], Any]
    expect: Callable[[Expected], Any]


class RacingRedis(Redis):
    """A connection on which another write happens once, between decision and commit."""

    meanwhile: Callable[[], None] | None = None

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        pipe = super().pipeline(transaction, shard_hint)
        commit = pipe.execute

        def execute(*args: Any, **kwargs: Any) -> Any:
            self.run_meanwhile()
            return commit(*args, **kwargs)

        pipe.execute = execute  # type: ignore[method-assign]
        return pipe

    def run_meanwhile(self) -> None:
        """Executes the other write, once."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()


def result_of(token: str) -> Result:
    numbers: dict[str, Any] = {"size_bytes": 1, "inference_time_s": 1, "peak_memory_mb": 1, "phase_seconds": {}}
    return Result(video_key=token, content_type="video/mp4", content_sha256="", **numbers)


# ---- the writes of an attempt with a token


def report(job_id: str, token: str, step: int) -> Write:
    def expect(job: Expected) -> tuple[bool, bool]:
        if job.token != token:
            return False, False
        job.step = step
        job.events.append(f"step {step}")
        return True, job.cancel_requested

    def do(store: JobStore) -> tuple[bool, bool]:
        reply = store.report(job_id, token, Phase.DENOISING, step, STEPS)
        return reply.is_held, reply.cancel_requested

    return Write("report", do, expect)


def heartbeat(job_id: str, token: str, _: int) -> Write:
    return Write("heartbeat", lambda store: store.heartbeat(job_id, token).is_held, lambda job: job.token == token)


def add_log(job_id: str, token: str, step: int) -> Write:
    message = f"Goes on from step {step}."

    def expect(job: Expected) -> bool:
        if job.token == token:
            job.events.append(f"log {message}")
        return job.token == token

    return Write("add_log", lambda store: store.add_log(job_id, token, message, resumed_step=step), expect)


def preview(job_id: str, token: str, step: int) -> Write:
    def expect(job: Expected) -> bool:
        if job.token == token:
            job.preview = token
            job.events.append(f"preview {step}")
        return job.token == token

    return Write("preview", lambda store: store.record_preview(job_id, token, token, step, STEPS), expect)


def segment(job_id: str, token: str, _: int) -> Write:
    shown = Segment(key=token, num_frames=12)

    def expect(job: Expected) -> bool:
        if job.token == token:
            job.segment = token
            job.events.append("log 0.5 s of it can be watched.")
        return job.token == token

    return Write("segment", lambda store: store.record_segment(job_id, token, 0, shown), expect)


def complete(job_id: str, token: str, _: int) -> Write:
    def expect(job: Expected) -> bool:
        if job.token == token:
            job.end(State.COMPLETED, Outcome.COMPLETED, result=token)
        return job.result == token  # also when it is repeated

    return Write("complete", lambda store: store.complete(job_id, token, result_of(token)), expect)


def _ending(code: str, state: State, outcome: Outcome) -> Callable[[str, str, int], Write]:
    def make(job_id: str, token: str, _: int) -> Write:
        def expect(job: Expected) -> bool:
            is_held = job.token == token
            if is_held:
                job.end(state, outcome, code)
            return is_held

        return Write(code, lambda store: store.fail(job_id, token, failure(code)), expect)

    return make


fail = _ending("internal_error", State.FAILED, Outcome.FAILED)
stop_cancelled = _ending("cancelled", State.CANCELLED, Outcome.CANCELLED)
stop_late = _ending("deadline_exceeded", State.EXPIRED, Outcome.EXPIRED)


def release(job_id: str, token: str, _: int) -> Write:
    def expect(job: Expected) -> bool:
        is_held = job.token == token
        if is_held:
            job.requeue(Outcome.RELEASED, "The worker shuts down; another worker continues.")
        return is_held

    return Write("release", lambda store: store.release(job_id, token), expect)


def retry(job_id: str, token: str, _: int) -> Write:
    why = failure("poison_job")

    def expect(job: Expected) -> bool:
        is_held = job.token == token
        if is_held:
            job.requeue(Outcome.RETRIED, f"{why.message} Another attempt follows.")
        return is_held

    return Write("retry", lambda store: store.retry(job_id, token, why), expect)


ATTEMPT_WRITES = (
    report,
    heartbeat,
    add_log,
    preview,
    segment,
    complete,
    fail,
    stop_cancelled,
    stop_late,
    release,
    retry,
)


# ---- the writes of a caller and a keeper


def cancel(job_id: str) -> Write:
    def expect(job: Expected) -> bool:
        if job.state is State.QUEUED:
            job.end(State.CANCELLED, Outcome.CANCELLED, "cancelled")
        elif job.state is State.RUNNING:
            job.cancel_requested = True
        else:
            return False
        return True

    def do(store: JobStore) -> bool:
        try:
            store.cancel(job_id)
        except NotCancellable:
            return False
        return True

    return Write("cancel", do, expect)


def lose(job_id: str, snapshot: Expected) -> Write:
    """The lease runs out and a keeper recovers the job; `snapshot` is the job that the keeper has read."""
    token, was_cancelled, is_last = snapshot.token, snapshot.cancel_requested, snapshot.attempt >= MAX_ATTEMPTS

    def expect(job: Expected) -> None:
        if token is None or job.token != token:
            return
        if was_cancelled:
            job.end(State.CANCELLED, Outcome.CANCELLED, "cancelled")
        elif is_last:
            job.end(State.FAILED, Outcome.LOST, "worker_lost")
        else:
            job.requeue(Outcome.LOST, f"{NO_HEARTBEAT} Another attempt follows.")

    def do(store: JobStore) -> None:
        store.redis.zadd(keys.LEASES_KEY, {job_id: 1.0}, xx=True)
        store.recover(job_id)

    return Write("lose", do, expect)


class Race(RuleBasedStateMachine):
    """Every job gets several attempts, and the tokens of all of them stay in use."""

    redis: ClassVar[Redis]
    racing_redis: ClassVar[RacingRedis]
    make_job: ClassVar[Callable[..., Job]]

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.racing_redis.meanwhile = None
        self.store, self.slow = JobStore(self.redis), JobStore(self.racing_redis)
        self.jobs: dict[str, Expected] = {}
        self.returned: list[str] = []

    @precondition(lambda self: len(self.jobs) < MAX_JOBS)
    @rule()
    def submit(self) -> None:
        job = self.store.submit(self.make_job(webhook={"url": "https://h.example/", "events": WEBHOOK_EVENTS}))
        self.jobs[job.id] = Expected()

    @rule()
    def lease(self) -> None:
        """A worker leases the next job; requeued jobs come first, in the order of their return."""
        job_id = self.store.first_waiting(MODEL)
        waiting = [job_id for job_id, job in self.jobs.items() if job.state is State.QUEUED]
        back = [job_id for job_id in self.returned if job_id in waiting]
        assert job_id == next(iter([*back, *waiting]), None)
        if job_id is not None:
            job = self.store.lease(job_id, "w")
            assert job is not None
            self.jobs[job_id].lease(job.token or "")
            self._note_returned()

    @precondition(lambda self: any(job.token for job in self.jobs.values()))
    @rule(data=st.data())
    def move_to_another_worker(self, data: st.DataObject) -> None:
        """The lease of a job runs out and another worker leases it: now two attempts hold tokens."""
        job_id = data.draw(st.sampled_from([job_id for job_id, job in self.jobs.items() if job.token]))
        self._one(job_id, lose(job_id, self.jobs[job_id]))
        if self.jobs[job_id].state is State.QUEUED:
            self.lease()

    @precondition(lambda self: any(job.tokens for job in self.jobs.values()))
    @rule(data=st.data(), step=st.integers(1, STEPS))
    def one_writes(self, data: st.DataObject, step: int) -> None:
        job_id, write, token = self._draw(data, step)
        is_stale = token is not None and token != self.jobs[job_id].token
        before = self._everything() if is_stale else {}
        self._one(job_id, write)
        if is_stale:
            self._nothing_changed(before, write.name)

    @precondition(lambda self: any(job.tokens for job in self.jobs.values()))
    @rule(data=st.data(), step=st.integers(1, STEPS))
    def two_write_at_once(self, data: st.DataObject, step: int) -> None:
        """The second write commits after the first has decided: the first must notice."""
        job_id, first, _ = self._draw(data, step)
        _, second, _ = self._draw(data, step, job_id)
        job, results = self.jobs[job_id], []

        def meanwhile() -> None:
            results.append((second.do(self.store), second.expect(job)))

        self.racing_redis.meanwhile = meanwhile
        answer = first.do(self.slow)
        self.racing_redis.run_meanwhile()  # the first had nothing to commit: then they happened one after the other
        [(result, expected)] = results
        assert result == expected, f"{second.name} during {first.name}"
        assert answer == first.expect(job), f"{first.name} around {second.name}"
        self._note_returned()

    @rule(data=st.data())
    @precondition(lambda self: any(job.state.is_final for job in self.jobs.values()))
    def erase(self, data: st.DataObject) -> None:
        """The owner deletes an ended job, and each attempt tries every write once more."""
        job_id = data.draw(st.sampled_from([job_id for job_id, job in self.jobs.items() if job.state.is_final]))
        self.store.delete(job_id)
        job = self.jobs.pop(job_id)
        self._note_returned()
        before = self._everything()
        for token in job.tokens:
            for attempt in ATTEMPT_WRITES:
                assert attempt(job_id, token, 1).do(self.store) in (False, (False, False))
        self._nothing_changed(before, "of all this")

    # ---- what must hold after every step

    @invariant()
    def everything_is_as_expected(self) -> None:
        """Records, logs, webhooks and lists at one moment."""
        with self.redis.pipeline() as pipe:
            for job_id in self.jobs:
                pipe.hgetall(keys.record_key(job_id))
                pipe.xrange(attempts_key(job_id))
                pipe.xrange(keys.events_key(job_id))
                pipe.eval(ROWS, 1, ledger_key(job_id))
            for key in (
                *keys.waiting_keys(MODEL),
                keys.owner_waiting_key(OWNER),
                keys.LEASES_KEY,
                CleanupQueue.LEFTOVERS,
            ):
                pipe.zrange(key, 0, -1)
            for status in PUBLIC_STATUSES:
                pipe.zrange(keys.index_key(OWNER, status), 0, -1)
            for key in (f"model:{MODEL}:running", keys.owner_running_key(OWNER)):
                pipe.smembers(key)
            replies = iter(pipe.execute())
        for job_id, job in self.jobs.items():
            record, attempts, events, rows = (next(replies) for _ in range(4))
            _check_record(Job.from_hash(record), job)
            assert [attempt.outcome for attempt in parse_lines(attempts)] == job.outcomes, job_id
            _check_events([_as_line(json.loads(fields[b"event"])) for _, fields in events], job)
            _check_webhooks(sorted(row.decode() for row in rows), job)
        self._check_lists([sorted(job_id.decode() for job_id in ids) for ids in replies])

    def _check_lists(self, lists: list[list[str]]) -> None:
        """Compares the lists, in the order of the commands."""
        high, normal, low, waiting, leases, leftovers, *others = lists
        *indexes, of_model, of_owner = others
        assert (high, normal, low) == ([], waiting, [])
        assert waiting == self._in_state(State.QUEUED)
        assert leases == of_model == of_owner == self._in_state(State.RUNNING)
        assert leftovers == self._in_state(*FINAL)
        for status, listed in zip(PUBLIC_STATUSES, indexes, strict=True):
            assert listed == self._in_state(*[state for state in State if PUBLIC[state] == status])

    def _in_state(self, *states: State) -> list[str]:
        return sorted(job_id for job_id, job in self.jobs.items() if job.state in states)

    # ---- the pieces

    def _draw(self, data: st.DataObject, step: int, job_id: str | None = None) -> tuple[str, Write, str | None]:
        """A write to a job, and the token of its attempt; None for a write of a caller or keeper."""
        job_id = job_id or data.draw(st.sampled_from([name for name, job in self.jobs.items() if job.tokens]))
        job = self.jobs[job_id]
        kind = data.draw(st.sampled_from(["attempt"] * 6 + ["caller", "keeper"]))
        if kind == "caller":
            return job_id, cancel(job_id), None
        if kind == "keeper":
            return job_id, lose(job_id, job), None
        token = data.draw(st.sampled_from(job.tokens[-3:]))
        tries = [attempt for attempt in ATTEMPT_WRITES if attempt is not retry or job.attempt < MAX_ATTEMPTS]
        return job_id, data.draw(st.sampled_from(tries))(job_id, token, step), token

    def _one(self, job_id: str, write: Write) -> None:
        answer = write.do(self.store)
        assert answer == write.expect(self.jobs[job_id]), write.name
        self._note_returned()

    def _note_returned(self) -> None:
        waiting = {job_id for job_id, job in self.jobs.items() if job.state is State.QUEUED and job.handover}
        self.returned = [job_id for job_id in self.returned if job_id in waiting]
        self.returned += sorted(waiting - set(self.returned))

    def _nothing_changed(self, before: dict[bytes, bytes], name: str) -> None:
        """Keys may expire meanwhile, but none may change."""
        assert self._everything().items() <= before.items(), f"{name} without a lease changed the database"

    def _everything(self) -> dict[bytes, bytes]:
        """The whole database, byte by byte."""
        dump = cast(list[bytes], self.redis.eval(DUMP, 0))
        return dict(zip(dump[::2], dump[1::2], strict=True))


def _check_record(stored: Job, job: Expected) -> None:
    same = ("state", "attempt", "handover", "token", "step", "cancel_requested")
    assert {name: getattr(stored, name) for name in same} == {name: getattr(job, name) for name in same}
    assert stored.preview_key == job.preview
    assert [each.key for each in stored.segments] == ([job.segment] if job.segment else [])
    assert (stored.result.video_key if stored.result else None) == job.result
    assert (stored.failure.code if stored.failure else None) == job.failure


def _check_events(events: list[str], job: Expected) -> None:
    """All events in order; the final state comes once and last."""
    assert events == job.events
    ends = [i for i, event in enumerate(events) if event in FINAL]
    assert ends == ([len(events) - 1] if job.state.is_final else [])


def _check_webhooks(types: list[str], job: Expected) -> None:
    """Each event was written once; progress is not in the ledger."""
    ended = [records.FINAL_EVENT[job.state]] if job.state.is_final else []
    assert types == sorted(["video.queued", *["video.started"] * len(job.tokens), *ended])


def _as_line(event: dict[str, Any]) -> str:
    if "state" in event:
        return str(event["state"])
    if "log" in event:
        return f"log {event['log']}"
    if "preview" in event:
        return f"preview {event['preview']['step']}"
    return f"step {event['step']}"


def test_of_all_attempts_at_a_job_one_counts(redis: Redis, redis_url: str, make_job: Callable[..., Job]) -> None:
    with RacingRedis.from_url(redis_url) as racing_redis:
        run_state_machine_as_test(
            type("Bound", (Race,), {"redis": redis, "racing_redis": racing_redis, "make_job": staticmethod(make_job)}),
            settings=settings(
                max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
