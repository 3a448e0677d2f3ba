"""litellm's video functions against the running service."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import KEY
from tests.clients.environments import python_of
from tests.clients.wire import Exchange, Wire

Walk = tuple[dict[str, Any], list[Exchange]]


@pytest.fixture(scope="module")
def walk(_wire: Wire, picture: Path, run_program: Callable[..., dict[str, Any]]) -> Walk:
    """What the program found, and all that went over the wire meanwhile."""
    _wire.forget()
    found = run_program(python_of("litellm"), "litellm_client.py", _wire.url, KEY, str(picture))
    return found, list(_wire.exchanges)


def test_it_makes_videos_of_words_of_a_picture_and_of_a_video(walk: Walk) -> None:
    found, exchanges = walk
    assert (found["made"]["status"], found["done"]) == ("queued", {"status": "completed", "progress": 100})
    assert (found["moving"], found["remixed"]) == ("completed", "completed")
    asked = [exchange.json() for exchange in exchanges if exchange.line == "POST /v1/videos"]
    assert [record.get("mode") for record in asked] == ["text_to_video", "image_to_video", None]  # the last is refused


def test_it_downloads_the_file_and_lists_the_videos(walk: Walk) -> None:
    found, exchanges = walk
    (download,) = (exchange for exchange in exchanges if "/content" in exchange.path)
    assert found["sha256"] == hashlib.sha256(download.answer).hexdigest()
    assert download.told["content-type"] == "video/mp4"
    assert found["listed"] >= 3


def test_it_understands_a_refusal(walk: Walk) -> None:
    refused = walk[0]["refused"]
    assert (refused["class"], refused["status"]) == ("BadRequestError", 400)
    assert "the nearest is" in refused["message"]
