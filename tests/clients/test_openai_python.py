"""OpenAI's Python client, the first version with videos and the newest, against the running service."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.clients.conftest import KEY
from tests.clients.environments import python_of
from tests.clients.receiver import Receiver
from tests.clients.wire import Exchange, Wire

SECRET = "whsec_" + "c2VjcmV0" * 5
OPENAI_KEYS = {
    *("id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at", "prompt", "size"),
    *("seconds", "remixed_from_video_id", "error"),
}


Walk = tuple[dict[str, Any], list[Exchange]]


@pytest.fixture(scope="module", params=["2.2.0", "newest"])
def walk(
    request: pytest.FixtureRequest, _wire: Wire, picture: Path, receiver: Receiver, run_program: Callable[..., Any]
) -> Walk:
    """What the program found, and all that went over the wire meanwhile."""
    _wire.forget()
    python = python_of("openai-2.2") if request.param == "2.2.0" else request.getfixturevalue("newest")
    result = run_program(python, "openai_client.py", _wire.url, KEY, str(picture), receiver.url, SECRET)
    assert result["version"] == (openai.__version__ if request.param == "newest" else "2.2.0")
    return result, list(_wire.exchanges)


def test_every_record_has_the_thirteen_keys(walk: Walk) -> None:
    result, _ = walk
    for name in ("created", "polled", "retrieved", "from_picture", "cancelled"):
        assert set(result[name]) >= OPENAI_KEYS, name


def test_it_polls_to_the_end(walk: Walk) -> None:
    result, _ = walk
    assert (result["created"]["status"], result["created"]["progress"]) == ("queued", 0)
    assert (result["polled"]["status"], result["polled"]["progress"]) == ("completed", 100)
    assert result["from_picture"]["status"] == "completed"
    assert {video["status"] for video in result["derived"]} == {"completed"}


def test_it_waits_for_the_advised_time_between_polls(walk: Walk) -> None:
    polls = [exchange for exchange in walk[1] if "x-stainless-poll-helper" in exchange.sent]
    waiting = [exchange for exchange in polls if exchange.json()["status"] in ("queued", "in_progress")]
    assert waiting
    assert all(100 <= int(exchange.headers["openai-poll-after-ms"]) <= 5000 for exchange in waiting)


def test_it_downloads_what_the_record_promises(walk: Walk) -> None:
    result, exchanges = walk
    video = result["files"]["video"]
    assert (video["type"], video["sha256"]) == ("video/mp4", result["retrieved"]["content_sha256"])
    (download,) = (e for e in exchanges if e.line == f"GET /v1/videos/{result['created']['id']}/content?variant=video")
    assert hashlib.sha256(download.answer).hexdigest() == result["retrieved"]["content_sha256"]


def test_it_downloads_the_pictures_of_a_video(walk: Walk) -> None:
    thumbnail, sheet = (walk[0]["files"][variant] for variant in ("thumbnail", "spritesheet"))
    begin = bytes.fromhex(thumbnail["begin"])
    assert (thumbnail["type"], begin[:4] + begin[8:]) == ("image/webp", b"RIFFWEBP")
    assert (sheet["type"], bytes.fromhex(sheet["begin"])[:3]) == ("image/jpeg", b"\xff\xd8\xff")


def test_it_remixes_edits_and_extends(walk: Walk) -> None:
    result, _ = walk
    first = result["created"]["id"]
    remixed = result["derived"][0]
    assert (remixed["remixed_from_video_id"], remixed["seed"], remixed["prompt"]) == (first, 7, "a blue ball rolls")
    if len(result["derived"]) > 1:
        edited, extended = result["derived"][1:]
        assert (edited["source_video_id"], edited["mode"], edited["strength"]) == (first, "video_to_video", 0.6)
        assert (extended["source_video_id"], extended["mode"], extended["num_frames"]) == (first, "extension", 16)


def test_it_lists_page_by_page_newest_first(walk: Walk) -> None:
    result, exchanges = walk
    assert result["listed"][: len(result["made"])] == result["made"]
    assert sum(exchange.path.startswith("/v1/videos?") for exchange in exchanges) >= len(result["made"]) // 2


@pytest.mark.parametrize(
    ("what", "kind", "code", "param"),
    [
        ("not_ready", "ConflictError", "video_not_ready", None),
        ("size", "BadRequestError", "invalid_size", "size"),
        ("field", "BadRequestError", "unknown_parameter", "num_frame"),
        ("unknown_model", "NotFoundError", "model_not_found", "model"),
        ("deleted", "NotFoundError", "video_not_found", None),
        ("key", "AuthenticationError", "invalid_api_key", None),
    ],
)
def test_it_understands_a_refusal_and_does_not_repeat_it(
    walk: Walk, what: str, kind: str, code: str, param: str | None
) -> None:
    refusal = walk[0]["refused"][what]
    assert (refusal["class"], refusal["code"], refusal["param"], refusal["tries"]) == (kind, code, param, 1)
    assert refusal["request_id"].startswith("req_")


def test_a_cancelled_video_is_a_failed_one_with_that_code(walk: Walk) -> None:
    cancelled = walk[0]["cancelled"]
    assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "cancelled")
    assert walk[0]["deleted"] == {"id": cancelled["id"], "object": "video.deleted", "deleted": True}


def test_every_answer_has_an_id_and_no_server_error_came(walk: Walk) -> None:
    for exchange in walk[1]:
        assert exchange.status < 500, exchange
        assert exchange.headers["x-request-id"]
