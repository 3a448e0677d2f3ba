"""Words of a prompt that the model does not know, in the record of a video."""

import httpx
import pytest
from redis import Redis

from easyanimate.tiny.card import CARD
from jobs.model.model_card import ModelCard
from jobs.queue.registry import Registry


@pytest.fixture
def words_api(api: httpx.Client, redis: Redis) -> httpx.Client:
    """A client of a front end whose model has the card of the small one."""
    Registry(redis).announce(ModelCard.model_validate(CARD), "worker-1")
    return api


def test_the_card_of_a_model_has_its_words_and_examples(words_api: httpx.Client) -> None:
    card = words_api.get(f"/v1/models/{CARD['name']}").json()["card"]
    assert card["words"] == CARD["words"]
    assert card["examples"] == CARD["examples"]


def test_the_record_warns_of_unknown_words(words_api: httpx.Client) -> None:
    record = words_api.post("/v1/videos", json={"prompt": "a red dragon moves to the left"}).json()
    assert [warning for warning in record["warnings"] if "does not know dragon;" in warning]
    assert words_api.post("/v1/videos", json={"prompt": CARD["examples"][0]}).json()["warnings"] == []
