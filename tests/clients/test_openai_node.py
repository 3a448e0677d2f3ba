"""OpenAI's Node client against the running service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import KEY
from tests.clients.receiver import Receiver
from tests.clients.wire import Exchange, Wire

SECRET = "whsec_" + "c2VjcmV0" * 5
Walk = tuple[dict[str, Any], list[Exchange]]


@pytest.fixture(scope="module")
def walk(_wire: Wire, picture: Path, receiver: Receiver, run_node: Callable[..., dict[str, Any]]) -> Walk:
    """What the program found, and all that went over the wire meanwhile."""
    _wire.forget()
    result = run_node("openai_client.mjs", _wire.url, KEY, str(picture), receiver.url, SECRET)
    return result, list(_wire.exchanges)


def test_it_makes_a_video_and_downloads_it_and_its_pictures(walk: Walk) -> None:
    result, _ = walk
    assert (result["created"]["status"], result["ended"]["status"]) == ("queued", "completed")
    assert result["ended"]["metadata"] == {"order": "17"}
    video, thumbnail, sheet = (result["files"][variant] for variant in ("video", "thumbnail", "spritesheet"))
    assert (video["type"], video["sha256"]) == ("video/mp4", result["ended"]["content_sha256"])
    begin = bytes.fromhex(thumbnail["begin"])
    assert (thumbnail["type"], begin[:4] + begin[8:]) == ("image/webp", b"RIFFWEBP")
    assert (sheet["type"], bytes.fromhex(sheet["begin"])[:3]) == ("image/jpeg", b"\xff\xd8\xff")


def test_it_sends_a_picture_and_starts_from_other_videos(walk: Walk) -> None:
    result, _ = walk
    first = result["created"]["id"]
    assert (result["from_picture"]["status"], result["from_picture"]["mode"]) == ("completed", "image_to_video")
    remixed, edited, extended = result["derived"]
    assert (remixed["remixed_from_video_id"], remixed["seed"]) == (first, 7)
    assert (edited["source_video_id"], edited["mode"], edited["strength"]) == (first, "video_to_video", 0.6)
    assert (extended["source_video_id"], extended["mode"], extended["num_frames"]) == (first, "extension", 16)
    assert {video["status"] for video in result["derived"]} == {"completed"}


def test_it_lists_and_deletes(walk: Walk) -> None:
    result, _ = walk
    request_for = [
        *reversed([video["id"] for video in result["derived"]]),
        result["from_picture"]["id"],
        result["created"]["id"],
    ]
    assert result["listed"][:5] == request_for
    assert result["deleted"] == {"id": result["created"]["id"], "object": "video.deleted", "deleted": True}


@pytest.mark.parametrize(
    ("what", "kind", "code"),
    [
        ("size", "BadRequestError", "invalid_size"),
        ("unknown", "NotFoundError", "video_not_found"),
        ("key", "AuthenticationError", "invalid_api_key"),
    ],
)
def test_it_understands_a_refusal(walk: Walk, what: str, kind: str, code: str) -> None:
    refusal = walk[0]["refused"][what]
    assert (refusal["class"], refusal["code"]) == (kind, code)
    assert refusal["request_id"].startswith("req_")


def test_it_sends_forms_with_brackets(walk: Walk) -> None:
    creates = [exchange for exchange in walk[1] if exchange.line == "POST /v1/videos"]
    assert all(exchange.sent["content-type"].startswith("multipart/form-data") for exchange in creates)
    assert b'name="webhook[events][]"' in creates[0].body
    assert all(exchange.status < 500 for exchange in walk[1])
