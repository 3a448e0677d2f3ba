"""The order of the fair queue on a real server: callers alternate, priorities overtake, requeued jobs are next."""

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.states import Priority
from jobs.queue import fair_queue
from jobs.redis import keys
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"
MakeJob = Callable[..., Job]


def in_order(store: JobStore) -> list[Job]:
    """All waiting jobs in the order of their leases."""
    leased = []
    while (job_id := store.first_waiting(MODEL)) is not None:
        job = store.lease(job_id, "w")
        assert job is not None
        leased.append(job)
    return leased


def owners(jobs: list[Job]) -> str:
    return "".join(job.owner for job in jobs)


@pytest.fixture
def submit(store: JobStore, make_job: MakeJob) -> Callable[..., list[Job]]:
    """Submits `count` jobs of a caller."""

    def submit(owner: str, count: int = 1, priority: Priority = Priority.NORMAL) -> list[Job]:
        return [store.submit(make_job(owner=owner, priority=priority)) for _ in range(count)]

    return submit


Submit = Callable[..., list[Job]]


def test_the_jobs_of_one_caller_are_leased_in_order_of_arrival(store: JobStore, submit: Submit) -> None:
    jobs = submit("a", 20)
    assert [job.id for job in in_order(store)] == [job.id for job in jobs]


def test_callers_alternate_however_many_jobs_they_have(store: JobStore, submit: Submit) -> None:
    submit("a", 6)
    submit("b", 3)
    submit("c", 1)
    assert owners(in_order(store)) == "abcababaaa"


def test_a_thousand_jobs_of_one_caller_do_not_starve_another(store: JobStore, submit: Submit) -> None:
    submit("a", 1000)
    [job] = submit("b")
    assert store.queue_position(job) == 1
    second = submit("b", 2)[1]
    assert store.queue_position(second) == 5


def test_a_caller_with_always_one_waiting_job_gets_an_equal_share(store: JobStore, submit: Submit) -> None:
    submit("a", 40)
    submit("b", 40)
    submit("c")
    leased = []
    for _ in range(60):
        job = store.lease(store.first_waiting(MODEL) or "", "w")
        assert job is not None
        leased.append(job)
        if job.owner == "c":
            submit("c")
    assert Counter(owners(leased)) == {"a": 20, "b": 20, "c": 20}


@pytest.mark.parametrize("priority", Priority)
def test_a_caller_that_comes_later_alternates_from_its_first_job_on(
    store: JobStore, submit: Submit, priority: Priority
) -> None:
    submit("a", 60, priority)
    for _ in range(40):
        store.lease(store.first_waiting(MODEL) or "", "w")
    submit("b", 6, priority)
    assert Counter(owners(in_order(store)[:6])) == {"a": 3, "b": 3}


def test_a_late_job_of_low_priority_does_not_turn_the_queue_back(store: JobStore, submit: Submit) -> None:
    submit("z", 2, Priority.LOW)
    submit("a", 50)
    for _ in range(51):  # those of a, and one of z
        store.lease(store.first_waiting(MODEL) or "", "w")
    submit("b", 20)
    [job] = submit("a")
    position = store.queue_position(job)
    assert position is not None
    assert position <= 2


def test_a_higher_priority_is_leased_first(store: JobStore, submit: Submit) -> None:
    for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH):
        for owner in "ab":
            submit(owner, 5, priority)
    assert [job.priority for job in in_order(store)] == [*["high"] * 10, *["normal"] * 10, *["low"] * 10]


def test_a_flood_of_urgent_jobs_overtakes_no_more_than_its_head_start(store: JobStore, submit: Submit) -> None:
    submit("a", 300, Priority.HIGH)
    [job] = submit("b")
    before = Priority.HIGH.head_start + 1  # those of a head start, and the one whose turn is the same
    assert store.queue_position(job) == before
    assert owners(in_order(store)).index("b") == before


def test_urgent_jobs_of_another_caller_do_not_change_the_order_within_a_priority(
    store: JobStore, submit: Submit
) -> None:
    submit("a", 300)
    for _ in range(90):
        submit("z", 1, Priority.HIGH)
        store.lease(store.first_waiting(MODEL) or "", "w")
    [job] = submit("b")
    assert store.queue_position(job) == 1


def test_a_long_backlog_of_low_priority_yields_to_later_jobs(store: JobStore, submit: Submit) -> None:
    submit("a", 300, Priority.LOW)
    for _ in range(150):
        store.lease(store.first_waiting(MODEL) or "", "w")
    submit("b", 50)
    assert owners(in_order(store)[:50]) == "b" * 50


def test_a_job_of_low_priority_is_leased_after_its_head_start_of_others(store: JobStore, submit: Submit) -> None:
    [low] = submit("a", 1, Priority.LOW)
    submit("b")
    overtaken_by = 0
    while store.first_waiting(MODEL) != low.id:
        store.lease(store.first_waiting(MODEL) or "", "w")
        overtaken_by += 1
        submit("b")
    assert overtaken_by == -Priority.LOW.head_start


def test_requeued_jobs_are_next(store: JobStore, submit: Submit) -> None:
    submit("a", 3, Priority.LOW)
    submit("b", 3)
    first, second = (store.lease(store.first_waiting(MODEL) or "", "w") for _ in range(2))
    submit("c", 2, Priority.HIGH)
    assert first is not None
    assert second is not None
    store.release(second.id, second.token or "")
    store.retry(first.id, first.token or "")
    assert {job.id for job in in_order(store)[:2]} == {first.id, second.id}


def test_a_caller_that_withdrew_many_jobs_does_not_wait_longer(store: JobStore, submit: Submit) -> None:
    flood = submit("a", 50)
    submit("b", 50)
    for job in flood[:-1]:
        store.cancel(job.id)
    store.delete(flood[-1].id)
    [job] = submit("a")
    position = store.queue_position(job)
    assert position is not None
    assert position <= 2


def test_the_queues_of_two_models_are_independent(store: JobStore, make_job: MakeJob, submit: Submit) -> None:
    submit("a", 10)
    other = store.submit(make_job(model="another", owner="a"))
    assert (store.queue_position(other), store.first_waiting("another")) == (0, other.id)


def test_an_empty_queue_leaves_no_keys(redis: Redis, store: JobStore, submit: Submit) -> None:
    for owner, priority in product("abc", Priority):
        submit(owner, 2, priority)
    in_order(store)
    assert [key for key in redis.keys("queue:*")] == []


def test_urgent_jobs_of_a_caller_pass_a_preempted_job_by_their_head_start(store: JobStore, submit: Submit) -> None:
    submit("b", 5)
    victim = store.lease(store.first_waiting(MODEL) or "", "w")
    assert victim is not None
    submit("a", 120, Priority.HIGH)
    assert store.preempt(victim.id, victim.token or "")
    assert store.queue_position(store.get(victim.id)) == Priority.HIGH.head_start
    order = [job.id for job in in_order(store)]
    assert order.index(victim.id) == Priority.HIGH.head_start


def preempt(store: JobStore, job: Job) -> None:
    running = store.lease(job.id, "w")
    assert running is not None
    assert store.preempt(job.id, running.token or "")


def test_preempted_jobs_are_next_and_the_first_of_them_comes_first(store: JobStore, submit: Submit) -> None:
    jobs = [*submit("a", 3), *submit("b", 3)]
    for job in (jobs[2], jobs[3], jobs[0]):
        preempt(store, job)
    [late] = submit("c")
    order = [job.id for job in in_order(store)]
    assert order[:3] == [jobs[2].id, jobs[3].id, jobs[0].id]
    assert order.index(late.id) <= 5


@pytest.mark.parametrize("priority", Priority)
def test_preempted_jobs_change_no_turn_of_the_others(store: JobStore, submit: Submit, priority: Priority) -> None:
    """However many wait, the callers alternate behind them as without them, those that come later too."""

    def leased_owners(preemptions: int) -> str:
        store.redis.flushall()
        running = [store.lease(job.id, "w") for job in submit("z", 3, priority)]
        submit("a", 4, priority)
        submit("b", 2, priority)
        for job in running[:preemptions]:
            assert job is not None
            assert store.preempt(job.id, job.token or "")
        submit("c", 3, priority)
        return owners(in_order(store)[preemptions:])

    assert len({leased_owners(preemptions) for preemptions in range(4)}) == 1


def test_a_preempted_job_of_another_priority_has_the_place_of_a_new_one(
    redis: Redis, store: JobStore, submit: Submit
) -> None:
    job, *_ = submit("a", 3)
    submit("b", 3, Priority.LOW)
    preempt(store, job)
    assert store.queue_position(with_priority(store, job, Priority.LOW)) == 3  # the first one of b has the same turn
    assert fair_queue.preempted(redis, MODEL) == 0


class Queueing(RuleBasedStateMachine):
    """Callers submit and withdraw, workers lease and release, in any order, with fewer jobs than a head start."""

    redis: ClassVar[Redis]
    make_job: ClassVar[MakeJob]

    @initialize()
    def begin(self) -> None:
        self.redis.flushall()
        self.store = JobStore(self.redis)
        self.waiting: dict[str, Job] = {}  # as they came
        self.returned: list[str] = []
        self.preempted: list[str] = []  # those that wait, as they came back
        self.running: dict[str, Job] = {}
        self.served: dict[str, Counter[str]] = {}  # for each job: whose jobs of its priority were leased since it came
        self.before: dict[str, int] = {}  # for each job: those of its line that waited or were withdrawn when it came
        self.withdrawn: Counter[str] = Counter()

    @rule(owner=st.sampled_from("abc"), priority=st.sampled_from(Priority), count=st.integers(1, 2))
    def submit(self, owner: str, priority: Priority, count: int) -> None:
        for _ in range(count):
            job = self.store.submit(self.make_job(owner=owner, priority=priority))
            self.before[job.id] = sum(line_of(one) == line_of(job) for one in self.waiting.values())
            self.before[job.id] += self.withdrawn[line_of(job)]
            self.served[job.id] = Counter()
            self.waiting[job.id] = job

    @precondition(lambda self: self.waiting)
    @rule()
    def lease(self) -> None:
        job = self.store.lease(self.store.first_waiting(MODEL) or "", "w")
        assert job is not None
        if self.returned:
            assert job.id == self.returned.pop(0), "what came back first is next"
        else:
            levels = [one.priority.head_start for one in self.waiting.values()]
            assert job.priority.head_start == max(levels), "the highest priority is leased first"
            preempted = [one for one in self.preempted if self.waiting[one].priority is job.priority]
            if preempted:
                assert job.id == preempted[0], "the first preempted job is the next one of its priority"
                self.preempted.remove(job.id)
            else:
                line = [one.id for one in self.waiting.values() if line_of(one) == line_of(job)]
                assert job.id == line[0], "a line is leased as it came"
                for one in self.waiting.values():
                    self.served[one.id][job.owner] += one.priority is job.priority
        del self.waiting[job.id]
        self.running[job.id] = job

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        job = self.running.pop(data.draw(st.sampled_from(sorted(self.running))))
        assert self.store.release(job.id, job.token or "")
        self.waiting[job.id] = job
        self.returned.append(job.id)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def preempt(self, data: st.DataObject) -> None:
        job = self.running.pop(data.draw(st.sampled_from(sorted(self.running))))
        assert self.store.preempt(job.id, job.token or "")
        self.waiting[job.id] = job
        self.preempted.append(job.id)
        self.served[job.id], self.before[job.id] = Counter(), 0

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), how=st.sampled_from(["cancel", "delete"]))
    def withdraw(self, data: st.DataObject, how: str) -> None:
        job = self.waiting.pop(data.draw(st.sampled_from(sorted(self.waiting))))
        getattr(self.store, how)(job.id)
        self.withdrawn[line_of(job)] += 1
        for ids in (self.returned, self.preempted):
            if job.id in ids:
                ids.remove(job.id)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), priority=st.sampled_from(Priority))
    def reprioritise(self, data: st.DataObject, priority: Priority) -> None:
        old = self.waiting[data.draw(st.sampled_from(sorted(self.waiting)))]
        job = with_priority(self.store, old, priority)
        if job.id in self.returned or priority is old.priority:
            self.waiting[job.id] = job
            return
        del self.waiting[job.id]
        if job.id in self.preempted:
            self.preempted.remove(job.id)
        self.withdrawn[line_of(old)] += 1
        self.before[job.id] = sum(line_of(one) == line_of(job) for one in self.waiting.values())
        self.before[job.id] += self.withdrawn[line_of(job)]
        self.served[job.id] = Counter()
        self.waiting[job.id] = job

    @invariant()
    def every_job_has_one_position(self) -> None:
        positions = {job_id: self.store.queue_position(job) for job_id, job in self.waiting.items()}
        assert sorted(positions.values(), key=str) == sorted(range(len(self.waiting)), key=str)
        assert self.store.queue_depth(MODEL) == len(self.waiting)
        if self.waiting:
            assert positions[self.store.first_waiting(MODEL) or ""] == 0

    @invariant()
    def preempted_jobs_are_counted_while_they_wait(self) -> None:
        assert fair_queue.preempted(self.redis, MODEL) == len(self.preempted)

    @invariant()
    def no_job_waits_for_more_jobs_of_another_caller_than_its_turns(self) -> None:
        for job_id, job in self.waiting.items():
            others = [count for owner, count in self.served[job_id].items() if owner != job.owner]
            assert max(others, default=0) <= self.before[job_id] + 2


def interrupt(store: JobStore, job: Job, how: str) -> None:
    """The worker of a running job crashes, drains, or loses its engine."""
    if how == "crash":
        store.redis.zadd(keys.LEASES_KEY, {job.id: 1.0})
        assert store.recover(job.id) is not None
    elif how == "drain":
        assert store.release(job.id, job.token or "")
    else:
        assert store.retry(job.id, job.token or "")


@given(
    submitted=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Priority)), min_size=1, max_size=10),
    interruptions=st.lists(st.lists(st.sampled_from(["crash", "drain", "retry", "drain"]), max_size=2), max_size=10),
    late=st.tuples(st.sampled_from("abc"), st.sampled_from(Priority)),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_interruption_changes_no_order(
    store: JobStore,
    make_job: MakeJob,
    submitted: list[tuple[str, Priority]],
    interruptions: list[list[str]],
    late: tuple[str, Priority],
) -> None:
    """Jobs end in the same order as without any crash or drain."""

    def ends(disturbed: bool) -> list[int]:
        store.redis.flushall()
        jobs = [store.submit(make_job(owner=owner, priority=priority)) for owner, priority in submitted]
        order: list[int] = []
        while (job_id := store.first_waiting(MODEL)) is not None:
            job = store.lease(job_id, "w")
            assert job is not None
            if not order:
                jobs.append(store.submit(make_job(owner=late[0], priority=late[1])))
            for how in interruptions[len(order)] if disturbed and len(order) < len(interruptions) else []:
                interrupt(store, job, how)
                back = store.get(job_id)
                assert (back.priority, store.queue_position(back)) == (job.priority, 0)
                assert store.first_waiting(MODEL) == job_id
                job = store.lease(job_id, "another")
                assert job is not None
            assert store.fail(job_id, job.token or "", failure("internal_error"))
            order.append([one.id for one in jobs].index(job_id))
        return order

    assert ends(disturbed=True) == ends(disturbed=False)


def with_priority(store: JobStore, job: Job, priority: Priority) -> Job:
    """The waiting job after a change of its priority."""
    return store.update_waiting(job.id, lambda current, _: current.evolve(priority=priority))


@pytest.mark.parametrize(
    ("old", "new"), [(old, new) for old, new in product(Priority, Priority) if old.head_start != new.head_start]
)
def test_a_job_of_another_priority_has_the_place_of_a_new_one(
    store: JobStore, submit: Submit, old: Priority, new: Priority
) -> None:
    submit("a", 2, new)
    [moved] = submit("a", 1, old)
    moved = with_priority(store, moved, new)
    [late] = submit("b", 1, new)
    assert [store.queue_position(job) for job in (late, moved)] == [1, 3]
    assert owners(in_order(store)) == "abaa"


def test_a_higher_priority_never_delays_and_a_lower_one_never_hurries(store: JobStore, submit: Submit) -> None:
    submit("a", 150, Priority.HIGH)
    low, normal = submit("a", 1, Priority.LOW)[0], submit("a", 1)[0]
    before = [store.queue_position(job) for job in (normal, low)]
    normal = with_priority(store, normal, Priority.HIGH)
    assert store.queue_position(normal) <= (before[0] or 0)
    jobs = submit("b", 250)
    position = store.queue_position(jobs[-1])
    assert store.queue_position(with_priority(store, jobs[-1], Priority.LOW)) >= (position or 0)


def test_repeated_changes_of_the_priority_win_no_place(store: JobStore, submit: Submit) -> None:
    jobs = submit("a", 3)
    submit("b", 3)
    for priority in (Priority.HIGH, Priority.LOW, Priority.NORMAL):
        first = with_priority(store, jobs[0], priority)
    assert store.queue_position(first) == 5
    assert [job.id for job in in_order(store) if job.owner == "a"] == [jobs[1].id, jobs[2].id, jobs[0].id]


@pytest.mark.parametrize("priority", [Priority.HIGH, Priority.LOW])
def test_a_requeued_job_stays_at_the_head_in_any_priority(store: JobStore, submit: Submit, priority: Priority) -> None:
    [job, *_] = submit("a", 3)
    leased = store.lease(job.id, "w")
    assert leased is not None
    store.release(job.id, leased.token or "")
    assert store.queue_position(with_priority(store, job, priority)) == 0
    assert store.first_waiting(MODEL) == job.id


def line_of(job: Job) -> str:
    return f"{job.owner} {job.priority}"


def test_the_queue_keeps_its_laws_in_any_order_of_events(redis: Redis, make_job: MakeJob) -> None:
    run_state_machine_as_test(
        type("Bound", (Queueing,), {"redis": redis, "make_job": staticmethod(make_job)}),
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
