"""Any order of asking, answering, refusing, dying and waiting: what is remembered is what a dict would remember."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from redis import Redis

from jobs.access.idempotency import (
    CLAIMED_FOR_S,
    Claim,
    IdempotencyKey,
    KeyReused,
    RequestInFlight,
    claim,
    release_claim,
)
from jobs.errors import JobNotFound
from jobs.model.job import Job
from tests.job_store import JobStore

REQUESTS = st.builds(
    IdempotencyKey,
    st.sampled_from("ab"),
    st.sampled_from("xy"),
    st.sampled_from([None, "k"]),
    st.sampled_from([False, True]),
)


class Memory(RuleBasedStateMachine):
    """Two callers, two bodies, with and without a key. What stands at a place is a claim or a video, and its body."""

    redis: ClassVar[Redis]
    make_job: ClassVar[Callable[..., Job]]
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.store = JobStore(self.redis)
        self.places: dict[str, tuple[str, str, bool]] = {}  # fingerprint, video, whether it is made
        self.made: set[str] = set()

    @rule(target=claims, asked=REQUESTS)
    def ask(self, asked: IdempotencyKey) -> object:
        there = self.places.get(asked.redis_key) if asked.key or asked.is_retry else None
        try:
            found = claim(self.redis, asked)
        except KeyReused:
            assert there is not None
            assert there[0] != asked.fingerprint
            return multiple()
        except RequestInFlight:
            assert there is not None
            assert (there[0], there[2]) == (asked.fingerprint, False)
            return multiple()
        if isinstance(found, str):
            assert there == (asked.fingerprint, found, True)
            return multiple()
        assert there is None
        self.places[asked.redis_key] = (asked.fingerprint, found.video_id, False)
        return found

    @rule(claim=claims)
    def answer(self, claim: Claim) -> None:
        """The job is written, unless the claim was lost in the meantime, which only one that is old looks for."""
        there = self.places.get(claim.asked.redis_key)
        is_ours = there is not None and there[1] == claim.video_id
        old = replace(claim, since=time.monotonic() - CLAIMED_FOR_S)
        job = self.make_job(owner=claim.asked.owner).evolve(id=claim.video_id)
        try:
            made_before = self.store.submit_all([job], old)
        except (RequestInFlight, KeyReused):
            assert there is not None
            assert not is_ours
            return
        if made_before and made_before != claim.video_id:
            assert there == (claim.asked.fingerprint, made_before, True)
            return
        assert there is None or is_ours
        self.places[claim.asked.redis_key] = (claim.asked.fingerprint, claim.video_id, True)
        self.made.add(claim.video_id)

    @rule(claim=claims)
    def refuse(self, claim: Claim) -> None:
        release_claim(self.redis, claim)
        if self.places.get(claim.asked.redis_key, ("", "", False))[1] == claim.video_id:
            del self.places[claim.asked.redis_key]

    @rule(claim=claims)
    def a_minute_passes(self, claim: Claim) -> None:
        """The front end that holds the claim died, or is very slow."""
        if self.places.get(claim.asked.redis_key, ("", "", True))[1:] == (claim.video_id, False):
            self.redis.delete(claim.asked.redis_key)
            del self.places[claim.asked.redis_key]

    @invariant()
    def every_video_that_is_remembered_is_there(self) -> None:
        for _, video_id, is_made in self.places.values():
            if is_made:
                assert self.store.get(video_id).id == video_id
        assert len(self.redis.keys("asked:*")) == len(self.places)  # type: ignore[arg-type]


def test_asking_again_is_remembered_as_a_dict_would(redis: Redis, make_job: Callable[..., Job]) -> None:
    run_state_machine_as_test(
        type("Bound", (Memory,), {"redis": redis, "make_job": staticmethod(make_job)}),
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_slow_front_end_that_lost_its_claim_makes_no_second_job(
    redis: Redis, store: JobStore, make_job: Callable[..., Job]
) -> None:
    asked = IdempotencyKey("me", "body", "key")
    slow = claim(redis, asked)
    redis.delete(asked.redis_key)  # its minute is over
    quick = claim(redis, asked)
    assert isinstance(slow, Claim)
    assert isinstance(quick, Claim)
    assert store.submit_all([make_job("me").evolve(id=quick.video_id)], quick) is None
    late = replace(slow, since=time.monotonic() - CLAIMED_FOR_S)
    assert store.submit_all([make_job("me").evolve(id=slow.video_id)], late) == quick.video_id
    with pytest.raises(JobNotFound):
        store.get(slow.video_id)


def test_a_key_is_remembered_for_a_day_and_a_body_for_a_quarter_of_an_hour(
    redis: Redis, store: JobStore, make_job: Callable[..., Job]
) -> None:
    for key, lasts_s in (("key", 86_400), (None, 900)):
        found = claim(redis, IdempotencyKey("me", "body", key))
        assert isinstance(found, Claim)
        assert redis.ttl(found.asked.redis_key) <= 60
        store.submit_all([make_job("me").evolve(id=found.video_id)], found)
        assert lasts_s - 30 < redis.ttl(found.asked.redis_key) <= lasts_s
