"""The moderation hook before a video is accepted: stages, refusals, failures, and what is stored."""

import io
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from pydantic import SecretStr
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.moderation import MODERATION_TIMEOUT_S, ModerationCase, ModerationStage, Moderator
from jobs.store import counters
from service.settings import ServiceSettings
from tests.announced_worker import announce_for_long
from tests.integration.service.conftest import finished, running_apis
from tests.job_store import JobStore
from tests.moderation_hook import ALLOWED, SECRET, Hook, running_hook

BODY = {"prompt": "a red fox", "negative_prompt": "rain", "size": "64x64", "num_frames": 8}
FIELDS: dict[str, Any] = {
    **{"model": "m", "prompt": "a fox", "width": 64, "height": 64, "num_frames": 8, "fps": 24, "seed": 1},
    **{"num_inference_steps": 4, "guidance_scale": 4.0, "scheduler": "euler"},
}
REFUSED = {"allow": False, "reason": "it names a real person"}


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def shared_hook() -> Iterator[Hook]:
    with running_hook() as hook:
        yield hook


@pytest.fixture
def hook(shared_hook: Hook) -> Hook:
    """The hook, which allows everything at first."""
    shared_hook.reply, shared_hook.status, shared_hook.delay_s = (lambda _: ALLOWED), 200, 0.0
    shared_hook.cases.clear()
    return shared_hook


@pytest.fixture(scope="module")
def module_settings(
    shared_hook: Hook, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> ServiceSettings:
    return ServiceSettings(
        redis_url=redis_server.url,
        data_dir=tmp_path_factory.mktemp("data"),
        moderation_url=shared_hook.url,
        moderation_secret=SecretStr(SECRET),
    )


@pytest.fixture(scope="module")
def urls(module_settings: ServiceSettings, card: ModelCard) -> Iterator[dict[str, str]]:
    """Front ends that refuse and that allow what cannot be checked."""
    with Redis.from_url(module_settings.redis_url.get_secret_value()) as redis:
        redis.flushall()
        announce_for_long(redis, card)
    with running_apis() as start:
        with pytest.MonkeyPatch.context() as patch:  # the hook of this process answers slowly on a slow machine
            patch.setattr("jobs.moderation.MODERATION_TIMEOUT_S", 120.0)
            addresses = {
                name: start(module_settings.model_copy(update={"moderation_on_error": name}))
                for name in ("refuse", "allow")
            }
        yield addresses


@pytest.fixture
def client(urls: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=urls["refuse"], timeout=120) as client:
        yield client


@pytest.fixture
def module_redis(module_settings: ServiceSettings) -> Iterator[Redis]:
    with Redis.from_url(module_settings.redis_url.get_secret_value()) as redis:
        yield redis


def count(client: httpx.Client) -> int:
    return len(client.get("/v1/videos?limit=100").json()["data"])


def test_the_hook_receives_the_prompts_signed_before_the_video_exists(client: httpx.Client, hook: Hook) -> None:
    assert client.post("/v1/videos", json=BODY).status_code == 200
    assert hook.cases == [
        {
            **{"object": "moderation", "stage": "prompt", "video_id": None, "owner": "local", "files": []},
            **{"model": "easyanimate-v3-tiny", "prompt": "a red fox", "negative_prompt": "rain"},
        }
    ]


@pytest.mark.parametrize("path", ["", "/estimate"])
def test_a_refused_prompt_is_a_403_with_the_reason_and_nothing_is_stored(
    client: httpx.Client, hook: Hook, path: str
) -> None:
    before = count(client)
    hook.reply = lambda _: REFUSED
    answer = client.post(f"/v1/videos{path}", json=BODY)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (403, "moderation_refused", "prompt")
    assert error["message"] == "the operator's moderation refuses the prompt: it names a real person"
    assert count(client) == before


def test_input_files_are_checked_after_the_prompt_and_before_they_are_stored(
    client: httpx.Client, hook: Hook, module_settings: ServiceSettings
) -> None:
    stored = sorted(module_settings.data_dir.rglob("*.png"))
    hook.reply = lambda case: REFUSED if case["stage"] == "input" else ALLOWED
    answer = client.post("/v1/videos", data=BODY, files={"image": ("a.png", png(), "image/png")})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (403, "image")
    assert error["message"] == "the operator's moderation refuses the input image: it names a real person"
    assert hook.stages == ["prompt", "input"]
    (file,) = hook.cases[1]["files"]
    data = b64decode(file["data"])
    assert (file["name"], file["content_type"], file["size_bytes"]) == ("image.png", "image/png", len(data))
    assert Image.open(io.BytesIO(data)).size == (64, 64)
    assert sorted(module_settings.data_dir.rglob("*.png")) == stored


@pytest.mark.parametrize("path", ["remix", "extensions", "edits"])
def test_every_way_to_a_video_is_checked(
    client: httpx.Client, hook: Hook, module_redis: Redis, module_settings: ServiceSettings, path: str
) -> None:
    source = client.post("/v1/videos", data=BODY, files={"image": ("a.png", png(), "image/png")}).json()["id"]
    video = finished(JobStore(module_redis), module_settings, source)
    hook.cases.clear()
    body: dict[str, Any] = {"prompt": "a blue fox", "video": {"id": source}}
    address, files = (f"/v1/videos/{path}", {"video.mp4": video})
    if path == "remix":
        address, body, files = f"/v1/videos/{source}/remix", {"prompt": "a blue fox"}, {"image.png": png()}
    assert client.post(address, json=body).status_code == 200
    assert [case["prompt"] for case in hook.cases] == ["a blue fox"] * 2
    assert hook.stages == ["prompt", "input"]
    assert [file["name"] for file in hook.cases[1]["files"]] == list(files)


def test_a_repeated_request_is_checked_once_and_a_refused_one_may_be_sent_again(
    client: httpx.Client, hook: Hook
) -> None:
    headers = {"Idempotency-Key": "order-7"}
    hook.reply = lambda _: REFUSED
    assert client.post("/v1/videos", json=BODY, headers=headers).status_code == 403
    hook.reply = lambda _: ALLOWED
    ids = {client.post("/v1/videos", json=BODY, headers=headers).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert len(hook.cases) == 2


@pytest.mark.parametrize(
    "reply",
    [
        b"no JSON",
        b"",
        {},
        {"allow": "true"},
        {"allow": 1},
        {"allow": None},
        [],
        {"reason": "x"},
        b'{"allow": true, "x": "' + b"a" * 70_000 + b'"}',
    ],
)
def test_a_reply_without_a_verdict_is_a_failure_and_the_setting_decides(
    urls: dict[str, str], hook: Hook, reply: Any
) -> None:
    hook.reply = lambda _: reply
    answers = {name: httpx.post(f"{url}/v1/videos", json=BODY, timeout=60) for name, url in urls.items()}
    assert answers["allow"].status_code == 200
    assert answers["refuse"].status_code == 403
    assert answers["refuse"].json()["error"]["message"].startswith("the prompt is refused: it could not be checked")


@pytest.mark.parametrize("reason", [5, ["weapon"], {"category": "weapon"}])
def test_a_refusal_whose_reason_is_no_text_is_a_refusal(urls: dict[str, str], hook: Hook, reason: Any) -> None:
    hook.reply = lambda _: {"allow": False, "reason": reason}
    answer = httpx.post(f"{urls['allow']}/v1/videos", json=BODY, timeout=60)
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == "the operator's moderation refuses the prompt"


@pytest.mark.parametrize("status", [201, 302, 404, 500, 503])
def test_another_status_is_a_failure(client: httpx.Client, hook: Hook, status: int) -> None:
    hook.status = status
    assert client.post("/v1/videos", json=BODY).status_code == 403


def test_a_hook_that_does_not_answer_in_time_is_a_failure(hook: Hook, module_redis: Redis) -> None:
    moderator = Moderator(hook.url, SECRET, allows_on_error=False, redis=module_redis)
    assert moderator.hook.client.timeout_s == MODERATION_TIMEOUT_S == 5.0
    moderator.hook.client.timeout_s = 0.2
    hook.delay_s = 240.0
    request = VideoRequest(**{**FIELDS, "prompt": "a red fox"})
    verdict = moderator.check(ModerationCase(ModerationStage.PROMPT, "me", request))
    assert (verdict.allow, verdict.is_checked) == (False, False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/check", "http://no-such-host.invalid/check"])
def test_a_hook_that_cannot_be_reached_is_a_failure(module_redis: Redis, url: str) -> None:
    moderator = Moderator(url, SECRET, allows_on_error=True, redis=module_redis)
    verdict = moderator.check(ModerationCase(ModerationStage.PROMPT, "me", VideoRequest(**FIELDS)))
    assert (verdict.allow, verdict.is_checked) == (True, False)


def test_unknown_fields_of_a_reply_are_ignored_and_a_reason_is_one_printable_line(
    client: httpx.Client, hook: Hook
) -> None:
    hook.reply = lambda _: {"allow": False, "reason": "one\n\x1b[31mtwo\x00" + "x" * 1000, "scores": {"a": 1}}
    message = client.post("/v1/videos", json=BODY).json()["error"]["message"]
    assert message.startswith("the operator's moderation refuses the prompt: one [31mtwo xxx")
    assert message.isprintable()
    assert len(message) < 400


def test_a_refused_request_without_a_reason_has_a_sentence(client: httpx.Client, hook: Hook) -> None:
    hook.reply = lambda _: {"allow": False}
    answer = client.post("/v1/videos", json=BODY)
    assert answer.json()["error"]["message"] == "the operator's moderation refuses the prompt"


def test_each_call_is_counted_by_stage_and_outcome(client: httpx.Client, hook: Hook, module_redis: Redis) -> None:
    def counts() -> dict[str, float]:
        read = counters.read_counters(module_redis)
        return {name: read.get(("moderations", "prompt", name), 0) for name in ("allowed", "refused", "failed")}

    before = counts()
    for reply in (ALLOWED, REFUSED, {}):
        hook.reply = lambda _, reply=reply: reply
        client.post("/v1/videos", json=BODY)
    assert counts() == {name: value + 1 for name, value in before.items()}
    text = client.get("/metrics").text
    assert f'easyanimate_moderations_total{{outcome="refused",stage="prompt"}} {counts()["refused"]}' in text


def test_an_invalid_request_never_reaches_the_hook(client: httpx.Client, hook: Hook) -> None:
    assert client.post("/v1/videos", json={**BODY, "size": "1x1"}).status_code == 400
    assert hook.cases == []


def test_without_the_setting_nothing_is_checked(shared_api: httpx.Client, hook: Hook) -> None:
    assert shared_api.post("/v1/videos", json=BODY).status_code == 200
    assert hook.cases == []
