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
    result = run_program(python_of("litellm"), "litellm_client.py", _wire.url, KEY, str(picture))
    return result, list(_wire.exchanges)


def test_it_makes_videos_of_words_of_a_picture_and_of_a_video(walk: Walk) -> None:
    result, exchanges = walk
    assert (result["made"]["status"], result["done"]) == ("queued", {"status": "completed", "progress": 100})
    assert (result["moving"], result["remixed"]) == ("completed", "completed")
    request = [exchange.json() for exchange in exchanges if exchange.line == "POST /v1/videos"]
    assert [record.get("mode") for record in request] == [
        "text_to_video",
        "image_to_video",
        None,
    ]  # the last is refused


def test_it_downloads_the_file_and_lists_the_videos(walk: Walk) -> None:
    result, exchanges = walk
    (download,) = (exchange for exchange in exchanges if "/content" in exchange.path)
    assert result["sha256"] == hashlib.sha256(download.answer).hexdigest()
    assert download.headers["content-type"] == "video/mp4"
    assert result["listed"] >= 3


def test_it_understands_a_refusal(walk: Walk) -> None:
    refused = walk[0]["refused"]
    assert (refused["class"], refused["status"]) == ("BadRequestError", 400)
    assert "the nearest is" in refused["message"]
