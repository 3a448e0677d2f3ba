"""Workers announce their models; other processes read the models and count the workers."""

import pytest
from redis import Redis

from jobs.errors import ModelNotFound, ModelUnavailable
from jobs.model.model_card import ModelCard
from jobs.queue.registry import WORKER_TTL_S, Registry, select_model


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
