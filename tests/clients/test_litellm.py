"""litellm's video functions against the running service."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import KEY
from tests.clients.environments import python_of
from tests.clients.wire import Exchange, Wire

pytestmark = pytest.mark.slow

ClientRun = tuple[dict[str, Any], list[Exchange]]


@pytest.fixture(scope="module")
def client_run(_wire: Wire, image: Path, run_program: Callable[..., dict[str, Any]]) -> ClientRun:
    """The output of the program and the exchanges it had with the service."""
    _wire.clear()
    result = run_program(python_of("litellm"), "litellm_client.py", _wire.url, KEY, str(image))
    return result, list(_wire.exchanges)


def test_litellm_creates_videos_from_text_from_an_image_and_from_a_video(client_run: ClientRun) -> None:
    result, exchanges = client_run
    assert (result["created"]["status"], result["done"]) == ("queued", {"status": "completed", "progress": 100})
    assert (result["from_image"], result["remixed"]) == ("completed", "completed")
    records = [exchange.json() for exchange in exchanges if exchange.line == "POST /v1/videos"]
    modes = [record.get("mode") for record in records]
    assert modes == ["text_to_video", "image_to_video", None]  # the last request is refused


def test_litellm_downloads_the_file_and_lists_the_videos(client_run: ClientRun) -> None:
    result, exchanges = client_run
    (download,) = (exchange for exchange in exchanges if "/content" in exchange.path)
    assert result["sha256"] == hashlib.sha256(download.response).hexdigest()
    assert download.headers["content-type"] == "video/mp4"
    assert result["listed"] >= 3


def test_litellm_raises_a_bad_request_error_for_a_refusal(client_run: ClientRun) -> None:
    refused = client_run[0]["refused"]
    assert (refused["class"], refused["status"]) == ("BadRequestError", 400)
    assert "the nearest is" in refused["message"]
