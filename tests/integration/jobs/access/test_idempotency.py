"""In any order of requests, commits, refusals, crashes and expiries, the stored keys equal those of a dict."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from redis import Redis

from jobs.access import idempotency
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
from tests.clock import Clock
from tests.job_store import JobStore

REQUESTS = st.builds(
    IdempotencyKey,
    st.sampled_from("ab"),
    st.sampled_from("xy"),
    st.sampled_from([None, "k"]),
    st.sampled_from([False, True]),
)


class Memory(RuleBasedStateMachine):
    """Two callers, two bodies, with and without a key. An entry holds a claim or a video, and its fingerprint."""

    redis: ClassVar[Redis]
    make_job: ClassVar[Callable[..., Job]]
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.store = JobStore(self.redis)
        self.places: dict[str, tuple[str, str, bool]] = {}  # fingerprint, video, whether it is created
        self.created: set[str] = set()

    @rule(target=claims, key=REQUESTS)
    def request(self, key: IdempotencyKey) -> object:
        stored = self.places.get(key.redis_key) if key.key or key.is_retry else None
        try:
            result = claim(self.redis, key)
        except KeyReused:
            assert stored is not None
            assert stored[0] != key.fingerprint
            return multiple()
        except RequestInFlight:
            assert stored is not None
            assert (stored[0], stored[2]) == (key.fingerprint, False)
            return multiple()
        if isinstance(result, str):
            assert stored == (key.fingerprint, result, True)
            return multiple()
        assert stored is None
        self.places[key.redis_key] = (key.fingerprint, result.video_id, False)
        return result

    @rule(claim=claims)
    def commit(self, claim: Claim) -> None:
        """The job is written unless the claim was lost, which is checked only for an old claim."""
        key = claim.idempotency_key
        stored = self.places.get(key.redis_key)
        is_held = stored is not None and stored[1] == claim.video_id
        old = replace(claim, since=time.monotonic() - CLAIMED_FOR_S)
        job = self.make_job(owner=key.owner).evolve(id=claim.video_id)
        try:
            existing_id = self.store.submit_all([job], old)
        except (RequestInFlight, KeyReused):
            assert stored is not None
            assert not is_held
            return
        if existing_id and existing_id != claim.video_id:
            assert stored == (key.fingerprint, existing_id, True)
            return
        assert stored is None or is_held
        self.places[key.redis_key] = (key.fingerprint, claim.video_id, True)
        self.created.add(claim.video_id)

    @rule(claim=claims)
    def refuse(self, claim: Claim) -> None:
        release_claim(self.redis, claim)
        if self.places.get(claim.idempotency_key.redis_key, ("", "", False))[1] == claim.video_id:
            del self.places[claim.idempotency_key.redis_key]

    @rule(claim=claims)
    def a_minute_passes(self, claim: Claim) -> None:
        """The front end with the claim died, or is very slow."""
        if self.places.get(claim.idempotency_key.redis_key, ("", "", True))[1:] == (claim.video_id, False):
            self.redis.delete(claim.idempotency_key.redis_key)
            del self.places[claim.idempotency_key.redis_key]

    @invariant()
    def every_stored_video_exists(self) -> None:
        for _, video_id, is_created in self.places.values():
            if is_created:
                assert self.store.get(video_id).id == video_id
        assert len(self.redis.keys("asked:*")) == len(self.places)  # type: ignore[arg-type]


def test_repeated_requests_are_stored_as_in_a_dict(redis: Redis, make_job: Callable[..., Job]) -> None:
    run_state_machine_as_test(
        type("Bound", (Memory,), {"redis": redis, "make_job": staticmethod(make_job)}),
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_slow_front_end_that_lost_its_claim_creates_no_second_job(
    redis: Redis, store: JobStore, make_job: Callable[..., Job]
) -> None:
    key = IdempotencyKey("me", "body", "key")
    slow = claim(redis, key)
    redis.delete(key.redis_key)  # its minute is over
    quick = claim(redis, key)
    assert isinstance(slow, Claim)
    assert isinstance(quick, Claim)
    assert store.submit_all([make_job("me").evolve(id=quick.video_id)], quick) is None
    late = replace(slow, since=time.monotonic() - CLAIMED_FOR_S)
    assert store.submit_all([make_job("me").evolve(id=slow.video_id)], late) == quick.video_id
    with pytest.raises(JobNotFound):
        store.get(slow.video_id)


@pytest.mark.parametrize(("age_s", "may_be_lost"), [(0, False), (29, False), (31, True), (60, True)])
def test_a_claim_is_checked_again_after_half_of_its_minute(
    age_s: float, may_be_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(idempotency, "time", clock)
    held = Claim(IdempotencyKey("me", "body", "key"), since=clock.now - age_s)
    assert held.may_be_lost is may_be_lost


def test_a_key_is_stored_for_a_day_and_a_fingerprint_for_a_quarter_of_an_hour(
    redis: Redis, store: JobStore, make_job: Callable[..., Job]
) -> None:
    for key, ttl_s in (("key", 86_400), (None, 900)):
        held = claim(redis, IdempotencyKey("me", "body", key))
        assert isinstance(held, Claim)
        assert 50 < redis.ttl(held.idempotency_key.redis_key) <= 60 == CLAIMED_FOR_S  # type: ignore[operator]
        store.submit_all([make_job("me").evolve(id=held.video_id)], held)
        assert redis.get(held.idempotency_key.redis_key).endswith(held.video_id.encode())  # type: ignore[union-attr]
        assert ttl_s - 30 < redis.ttl(held.idempotency_key.redis_key) <= ttl_s


def test_the_redis_keys_of_requests_are_those_of_earlier_releases() -> None:
    fingerprint = "0123456789abcdef0123456789abcdef"
    assert IdempotencyKey("me", fingerprint, "order-17").redis_key == "asked:me:72a90ea3da8b5dd01bde2f27314e02e2"
    assert IdempotencyKey("me", fingerprint).redis_key == f"asked:me:~{fingerprint}"


def test_without_key_and_retry_count_a_request_is_no_repetition() -> None:
    assert not IdempotencyKey("me", "body").deduplicates
