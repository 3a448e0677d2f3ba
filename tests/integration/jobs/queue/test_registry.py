"""Workers announce their models; other processes read the models and count the workers."""

import pytest
from redis import Redis

from jobs.errors import ModelNotFound, ModelUnavailable
from jobs.model.model_card import ModelCard
from jobs.model.states import IdleReason
from jobs.queue.registry import WORKER_TTL_S, Registry, select_model
from jobs.redis.keys import idle_key, loaded_key, workers_key


@pytest.fixture
def registry(redis: Redis) -> Registry:
    return Registry(redis)


def other(card: ModelCard) -> ModelCard:
    return card.model_copy(update={"name": "another"})


def test_without_a_worker_no_model_is_available(registry: Registry) -> None:
    with pytest.raises(ModelUnavailable):
        select_model(registry.cards(), None)


def test_an_announced_card_is_read_as_it_was(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    assert select_model(registry.cards(), card.name) == card


def test_the_only_model_needs_no_name(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    assert select_model(registry.cards(), None) == card


def test_of_two_models_one_must_be_named(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    registry.announce(other(card), "w2")
    with pytest.raises(ModelNotFound, match="there are another, easyanimate-v3-tiny"):
        select_model(registry.cards(), None)


def test_an_unknown_model_is_refused_with_the_names_of_the_others(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    with pytest.raises(ModelNotFound, match="no model 'sora'; there are easyanimate-v3-tiny"):
        select_model(registry.cards(), "sora")


def test_the_latest_card_replaces_earlier_ones(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    registry.announce(card.model_copy(update={"max_frames": 8}), "w1")
    assert select_model(registry.cards(), card.name).max_frames == 8


def test_workers_are_counted_once_each_and_by_model(registry: Registry, card: ModelCard) -> None:
    for worker in ("w1", "w2", "w1"):
        registry.announce(card, worker)
    registry.announce(other(card), "w3")
    assert registry.live_workers(card.name) == 2


def test_a_worker_that_left_is_not_counted_but_its_model_stays(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    registry.withdraw(card.name, "w1")
    assert registry.live_workers(card.name) == 0
    assert select_model(registry.cards(), card.name) == card


def test_a_worker_whose_entry_has_expired_is_not_counted(redis: Redis, registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    for key in [key for key in redis.keys("*") if key != b"models"]:  # type: ignore[union-attr]
        redis.zincrby(key, -WORKER_TTL_S - 1, "w1")
    assert (registry.live_workers(card.name), registry.loaded_workers(card.name)) == (0, 0)


def test_serving_workers_and_loaded_workers_are_counted_apart(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1", is_loaded=True)
    registry.announce(card, "w2", is_loaded=False)
    assert (registry.live_workers(card.name), registry.loaded_workers(card.name)) == (2, 1)
    registry.announce(card, "w1", is_loaded=False)
    assert (registry.live_workers(card.name), registry.loaded_workers(card.name)) == (2, 0)


@pytest.mark.parametrize("reason", [IdleReason.DISK_FULL, IdleReason.DRAINING, IdleReason.SUSPENDED])
def test_a_model_is_idle_when_all_its_workers_are(registry: Registry, card: ModelCard, reason: IdleReason) -> None:
    assert registry.idle_reason(card.name) == "no_worker"
    registry.announce(card, "w1", idle=reason)
    assert (registry.live_workers(card.name), registry.idle_reason(card.name)) == (1, reason)
    registry.announce(card, "w2")
    assert (registry.idle_workers(card.name), registry.idle_reason(card.name)) == ({reason: 1}, None)
    registry.withdraw(card.name, "w2")
    registry.announce(card, "w1")
    assert (registry.idle_workers(card.name), registry.idle_reason(card.name)) == ({}, None)


def test_a_broken_model_is_reported_after_its_worker_withdrew_it(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    registry.withdraw(card.name, "w1", is_broken=True)
    assert (registry.live_workers(card.name), registry.idle_reason(card.name)) == (0, "model_broken")
    registry.announce(card, "w2")
    assert registry.idle_reason(card.name) is None


def test_the_most_frequent_reason_is_reported(registry: Registry, card: ModelCard) -> None:
    for worker, reason in (("w1", IdleReason.DRAINING), ("w2", IdleReason.DISK_FULL), ("w3", IdleReason.DISK_FULL)):
        registry.announce(card, worker, idle=reason)
    assert registry.idle_reason(card.name) == "disk_full"


def test_a_reason_of_a_newer_release_is_reported_as_it_is(redis: Redis, registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    redis.zadd(idle_key(card.name), {"too_hot w1": 1 << 40})
    assert registry.idle_reason(card.name) == "too_hot"


def test_the_reason_of_a_worker_that_died_expires(redis: Redis, registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1", idle=IdleReason.DISK_FULL)
    for key in (workers_key(card.name), idle_key(card.name)):
        for member in redis.zrange(key, 0, -1):
            redis.zincrby(key, -WORKER_TTL_S - 1, member)
    assert registry.idle_reason(card.name) == "no_worker"


def test_a_served_model_cannot_be_retired(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    assert registry.retire(card.name) == 1
    assert registry.card(card.name) == card


def test_a_retired_model_is_gone_until_a_worker_announces_it(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    registry.announce(other(card), "w2")
    registry.withdraw(card.name, "w1")
    assert (registry.retire(card.name), registry.retire(card.name), registry.retired()) == (0, 0, [card.name])
    with pytest.raises(ModelNotFound):
        select_model(registry.cards(), card.name)
    with pytest.raises(ModelNotFound):
        registry.card(card.name)
    registry.announce(card, "w3")
    assert (registry.card(card.name), registry.retired()) == (card, [])


def test_a_model_that_no_worker_announced_cannot_be_retired(registry: Registry, card: ModelCard) -> None:
    registry.announce(card, "w1")
    with pytest.raises(ModelNotFound, match="there are easyanimate-v3-tiny"):
        registry.retire("sora")


def test_a_worker_is_counted_for_30_seconds_after_its_announcement(
    redis: Redis, registry: Registry, card: ModelCard
) -> None:
    before = redis.time()[0]
    registry.announce(card, "w1")
    for key in (workers_key(card.name), loaded_key(card.name)):
        expires_at = redis.zscore(key, "w1")
        assert before + 30 <= expires_at <= redis.time()[0] + 31  # type: ignore[operator]


def test_a_worker_that_withdraws_a_model_reports_it_as_broken_only_if_it_says_so(
    registry: Registry, card: ModelCard
) -> None:
    registry.announce(card, "w1")
    registry.withdraw(card.name, "w1")
    assert (registry.live_workers(card.name), registry.idle_workers(card.name)) == (0, {})
    registry.withdraw(card.name, "w1", is_broken=True)
    assert registry.idle_workers(card.name) == {IdleReason.MODEL_BROKEN: 1}


def test_each_announcement_and_withdrawal_is_one_transaction(redis: Redis, registry: Registry, card: ModelCard) -> None:
    def transactions() -> int:
        return int(redis.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"])  # type: ignore[union-attr]

    before = transactions()
    registry.announce(card, "w1")
    assert transactions() == before + 1
    registry.withdraw(card.name, "w1")
    assert transactions() == before + 2


def test_a_model_is_marked_unserved_since_its_last_worker_until_the_next_one(
    redis: Redis, registry: Registry, card: ModelCard
) -> None:
    assert registry.unserved_since(card.name) is None
    now = redis.time()[0]
    assert registry.mark_unserved(card.name, 60)
    assert not registry.mark_unserved(card.name, 90)
    assert registry.unserved_since(card.name) in range(now - 60, redis.time()[0] - 60 + 1)
    registry.announce(card, "w1")
    assert registry.unserved_since(card.name) is None
