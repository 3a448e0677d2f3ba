"""OpenAI's Node client against the running service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import KEY
from tests.clients.receiver import Receiver
from tests.clients.wire import Exchange, Wire

SECRET = "whsec_" + "c2VjcmV0" * 5
ClientRun = tuple[dict[str, Any], list[Exchange]]


@pytest.fixture(scope="module")
def client_run(_wire: Wire, image: Path, receiver: Receiver, run_node: Callable[..., dict[str, Any]]) -> ClientRun:
    """The output of the program and the exchanges it had with the service."""
    _wire.clear()
    result = run_node("openai_client.mjs", _wire.url, KEY, str(image), receiver.url, SECRET)
    return result, list(_wire.exchanges)


def test_the_client_creates_a_video_and_downloads_its_files(client_run: ClientRun) -> None:
    result, _ = client_run
    assert (result["created"]["status"], result["ended"]["status"]) == ("queued", "completed")
    assert result["ended"]["metadata"] == {"order": "17"}
    video, thumbnail, sheet = (result["files"][variant] for variant in ("video", "thumbnail", "spritesheet"))
    assert (video["type"], video["sha256"]) == ("video/mp4", result["ended"]["content_sha256"])
    begin = bytes.fromhex(thumbnail["begin"])
    assert (thumbnail["type"], begin[:4] + begin[8:]) == ("image/webp", b"RIFFWEBP")
    assert (sheet["type"], bytes.fromhex(sheet["begin"])[:3]) == ("image/jpeg", b"\xff\xd8\xff")


def test_the_client_sends_an_image_and_derives_videos_from_another(client_run: ClientRun) -> None:
    result, _ = client_run
    first = result["created"]["id"]
    assert (result["from_image"]["status"], result["from_image"]["mode"]) == ("completed", "image_to_video")
    remixed, edited, extended = result["derived"]
    assert (remixed["remixed_from_video_id"], remixed["seed"]) == (first, 7)
    assert (edited["source_video_id"], edited["mode"], edited["strength"]) == (first, "video_to_video", 0.6)
    assert (extended["source_video_id"], extended["mode"], extended["num_frames"]) == (first, "extension", 16)
    assert {video["status"] for video in result["derived"]} == {"completed"}


def test_the_client_lists_and_deletes_videos(client_run: ClientRun) -> None:
    result, _ = client_run
    expected = [
        *reversed([video["id"] for video in result["derived"]]),
        result["from_image"]["id"],
        result["created"]["id"],
    ]
    assert result["listed"][:5] == expected
    assert result["deleted"] == {"id": result["created"]["id"], "object": "video.deleted", "deleted": True}


@pytest.mark.parametrize(
    ("refused_request", "error_class", "code"),
    [
        ("size", "BadRequestError", "invalid_size"),
        ("unknown", "NotFoundError", "video_not_found"),
        ("key", "AuthenticationError", "invalid_api_key"),
    ],
)
def test_a_refusal_is_an_error_of_its_class(
    client_run: ClientRun, refused_request: str, error_class: str, code: str
) -> None:
    refusal = client_run[0]["refused"][refused_request]
    assert (refusal["class"], refusal["code"]) == (error_class, code)
    assert refusal["request_id"].startswith("req_")


def test_the_client_sends_multipart_forms_with_brackets(client_run: ClientRun) -> None:
    creates = [exchange for exchange in client_run[1] if exchange.line == "POST /v1/videos"]
    assert all(exchange.sent["content-type"].startswith("multipart/form-data") for exchange in creates)
    assert b'name="webhook[events][]"' in creates[0].body
    assert all(exchange.status < 500 for exchange in client_run[1])
