"""OpenAI's Python client against the running service: the first version with videos, and the newest."""

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


ClientRun = tuple[dict[str, Any], list[Exchange]]


@pytest.fixture(scope="module", params=["2.2.0", "newest"])
def client_run(
    request: pytest.FixtureRequest, _wire: Wire, image: Path, receiver: Receiver, run_program: Callable[..., Any]
) -> ClientRun:
    """The output of the program and the exchanges it had with the service."""
    _wire.clear()
    python = python_of("openai-2.2") if request.param == "2.2.0" else request.getfixturevalue("newest")
    result = run_program(python, "openai_client.py", _wire.url, KEY, str(image), receiver.url, SECRET)
    assert result["version"] == (openai.__version__ if request.param == "newest" else "2.2.0")
    return result, list(_wire.exchanges)


def test_each_record_has_the_keys_of_openai(client_run: ClientRun) -> None:
    result, _ = client_run
    for name in ("created", "polled", "retrieved", "from_image", "cancelled"):
        assert set(result[name]) >= OPENAI_KEYS, name


def test_the_client_polls_until_the_video_is_completed(client_run: ClientRun) -> None:
    result, _ = client_run
    assert (result["created"]["status"], result["created"]["progress"]) == ("queued", 0)
    assert (result["polled"]["status"], result["polled"]["progress"]) == ("completed", 100)
    assert result["from_image"]["status"] == "completed"
    assert {video["status"] for video in result["derived"]} == {"completed"}


def test_responses_to_polls_advise_a_pause(client_run: ClientRun) -> None:
    polls = [exchange for exchange in client_run[1] if "x-stainless-poll-helper" in exchange.sent]
    waiting = [exchange for exchange in polls if exchange.json()["status"] in ("queued", "in_progress")]
    assert waiting
    assert all(100 <= int(exchange.headers["openai-poll-after-ms"]) <= 5000 for exchange in waiting)


def test_the_downloaded_video_has_the_hash_of_the_record(client_run: ClientRun) -> None:
    result, exchanges = client_run
    video = result["files"]["video"]
    assert (video["type"], video["sha256"]) == ("video/mp4", result["retrieved"]["content_sha256"])
    (download,) = (e for e in exchanges if e.line == f"GET /v1/videos/{result['created']['id']}/content?variant=video")
    assert hashlib.sha256(download.response).hexdigest() == result["retrieved"]["content_sha256"]


def test_the_client_downloads_thumbnail_and_spritesheet(client_run: ClientRun) -> None:
    thumbnail, sheet = (client_run[0]["files"][variant] for variant in ("thumbnail", "spritesheet"))
    begin = bytes.fromhex(thumbnail["begin"])
    assert (thumbnail["type"], begin[:4] + begin[8:]) == ("image/webp", b"RIFFWEBP")
    assert (sheet["type"], bytes.fromhex(sheet["begin"])[:3]) == ("image/jpeg", b"\xff\xd8\xff")


def test_the_client_remixes_edits_and_extends_a_video(client_run: ClientRun) -> None:
    result, _ = client_run
    first = result["created"]["id"]
    remixed = result["derived"][0]
    assert (remixed["remixed_from_video_id"], remixed["seed"], remixed["prompt"]) == (first, 7, "a blue ball rolls")
    if len(result["derived"]) > 1:
        edited, extended = result["derived"][1:]
        assert (edited["source_video_id"], edited["mode"], edited["strength"]) == (first, "video_to_video", 0.6)
        assert (extended["source_video_id"], extended["mode"], extended["num_frames"]) == (first, "extension", 16)


def test_the_client_lists_videos_page_by_page_newest_first(client_run: ClientRun) -> None:
    result, exchanges = client_run
    expected = result["expected_list"]
    assert result["listed"][: len(expected)] == expected
    assert sum(exchange.path.startswith("/v1/videos?") for exchange in exchanges) >= len(expected) // 2


@pytest.mark.parametrize(
    ("refused_request", "error_class", "code", "param"),
    [
        ("not_ready", "ConflictError", "video_not_ready", None),
        ("size", "BadRequestError", "invalid_size", "size"),
        ("field", "BadRequestError", "unknown_parameter", "num_frame"),
        ("unknown_model", "NotFoundError", "model_not_found", "model"),
        ("deleted", "NotFoundError", "video_not_found", None),
        ("key", "AuthenticationError", "invalid_api_key", None),
    ],
)
def test_a_refusal_is_an_error_of_its_class_and_not_retried(
    client_run: ClientRun, refused_request: str, error_class: str, code: str, param: str | None
) -> None:
    refusal = client_run[0]["refused"][refused_request]
    assert (refusal["class"], refusal["code"], refusal["param"], refusal["tries"]) == (error_class, code, param, 1)
    assert refusal["request_id"].startswith("req_")


def test_a_cancelled_video_is_failed_with_the_code_cancelled(client_run: ClientRun) -> None:
    cancelled = client_run[0]["cancelled"]
    assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "cancelled")
    assert client_run[0]["deleted"] == {"id": cancelled["id"], "object": "video.deleted", "deleted": True}


def test_each_response_has_a_request_id_and_none_is_a_server_error(client_run: ClientRun) -> None:
    for exchange in client_run[1]:
        assert exchange.status < 500, exchange
        assert exchange.headers["x-request-id"]
