"""The editor of films and the view of operators, with a front end and no worker: nothing is rendered."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.access.api_keys import ApiKeyStore, Role
from jobs.model.limits import Limits
from jobs.model.model_card import ModelCard
from service.settings import ServiceSettings
from tests.announced_worker import announced_worker
from tests.browser.studio_page import (
    CONTROLS_WITHOUT_NAME,
    open_film,
    png,
    shot,
    until,
    violations,
    wait_for_text,
)
from tests.integration.service.conftest import running_apis

pytestmark = pytest.mark.slow

MAX_FIRST_VISIT_BYTES = 150_000
ONE_LINE_PX = 44
PHONE = {"width": 390, "height": 844}
OpenAs = Callable[..., Any]


@pytest.fixture(scope="module")
def keys(redis_server: EmbeddedRedis, card: ModelCard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The address of a front end with a worker that takes nothing, and the keys of an operator and of a caller."""
    values = {"redis_url": redis_server.url, "data_dir": tmp_path_factory.mktemp("films"), "auth": "keys"}
    with running_apis() as start, Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        store = ApiKeyStore(redis)
        secrets = [store.create(role.value, "films", Limits(), role)[1] for role in (Role.ADMIN, Role.CALLER)]
        with announced_worker(redis, card, "gpu-1"):
            yield start(ServiceSettings.model_validate(values)), *secrets


@pytest.fixture
def open_as(browser: Any, keys: Any) -> Iterator[OpenAs]:
    """Opens the studio as an operator or as a caller."""
    contexts = []

    def open_as(is_admin: bool = False, **window: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **window})
        contexts.append(context)
        context.add_init_script(f"sessionStorage.setItem('key', '{keys[1 if is_admin else 2]}')")
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(keys[0])
        page.locator("#size").wait_for()
        return page

    yield open_as
    for context in contexts:
        context.close()


def prompts(page: Any) -> list[str]:
    """The prompts of the shots, in order."""
    return [area.input_value() for area in page.locator(".shot textarea").all()]


def test_shots_are_edited_by_mouse_and_keyboard_and_survive_a_reload(open_as: OpenAs, tmp_path: Path) -> None:
    page = open_as()
    open_film(page, "a red circle", "a blue square")
    shot(page, 1).get_by_role("button", name="Duplicate shot 1").click()
    shot(page, 2).get_by_label("Prompt", exact=True).fill("a green cross")
    assert prompts(page) == ["a red circle", "a green cross", "a blue square"]
    page.keyboard.press("Alt+ArrowDown")
    assert prompts(page) == ["a red circle", "a blue square", "a green cross"]
    until(page, lambda: page.evaluate("document.activeElement.value") == "a green cross")
    page.locator(".strip-of-shots li").nth(2).drag_to(page.locator(".strip-of-shots li").nth(0))
    until(page, lambda: prompts(page) == ["a green cross", "a red circle", "a blue square"])
    shot(page, 2).get_by_label("Length in s").fill("2")
    assert "3 shots" in page.locator(".film > .hint").inner_text()
    assert page.locator(".segments").first.bounding_box()["height"] <= ONE_LINE_PX
    for bar in page.locator(".shot .bar").all():
        assert bar.bounding_box()["height"] <= ONE_LINE_PX
    assert violations(page) == []
    page.screenshot(path=tmp_path / "film.png")
    page.reload()
    page.locator("#size").wait_for()
    page.get_by_role("button", name="Film", exact=True).click()
    until(page, lambda: prompts(page) == ["a green cross", "a red circle", "a blue square"])
    assert shot(page, 2).get_by_label("Length in s").input_value() == "2"
    shot(page, 1).get_by_role("button", name="Remove shot 1").click()
    assert prompts(page) == ["a red circle", "a blue square"]
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate(CONTROLS_WITHOUT_NAME) == []
    page.screenshot(path=tmp_path / "phone.png", full_page=True)


def test_a_refusal_is_at_its_shot_and_a_film_is_used_again(open_as: OpenAs, keys: Any) -> None:
    page = open_as()
    open_film(page, "a red circle", "")
    page.get_by_role("button", name="Generate film").click()
    error = shot(page, 2).get_by_role("alert")
    wait_for_text(error, "Write what the video shows")
    until(page, lambda: page.evaluate("document.activeElement.id") == "shot-2-prompt")
    shot(page, 2).get_by_label("Prompt", exact=True).fill("a blue square")
    assert error.count() == 0
    shot(page, 2).get_by_label("Length in s").fill("1000000")
    page.get_by_role("button", name="Generate film").click()
    wait_for_text(error, "multiple of 8 frames")
    shot(page, 2).get_by_label("Length in s").fill("")
    shot(page, 2).get_by_text("Images, negative prompt").click()
    chosen = {"name": "cut.png", "mimeType": "image/png", "buffer": png("orange")}
    shot(page, 2).get_by_label("Start image", exact=True).set_input_files(chosen)
    assert shot(page, 2).get_by_label("Begins with").is_disabled()
    page.get_by_role("button", name="Copy as code").click()
    wait_for_text(page.get_by_role("dialog"), r"shots\[1\]\[image\]=@cut.png")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Generate film").click()
    video_id = until(page, lambda: page.evaluate("location.hash.slice(1)"))
    api = httpx.Client(base_url=keys[0], headers={"Authorization": f"Bearer {keys[2]}"}, timeout=60)
    record = api.get(f"/v1/videos/{video_id}").json()
    assert (record["mode"], record["prompt"], len(record["shots"])) == ("film", "a red circle\na blue square", 2)
    page.get_by_role("button", name="Clear the form").click()
    for is_reloaded in (False, True):
        if is_reloaded:
            page.reload()
        page.get_by_text("More", exact=True).click()
        page.get_by_role("button", name="Use these settings").click()
        until(page, lambda: prompts(page) == ["a red circle", "a blue square"])
        assert page.get_by_alt_text("cut.png").count() == (0 if is_reloaded else 1)
    api.delete(f"/v1/videos/{video_id}")
    api.close()


def test_operators_pause_drain_and_change_priorities(
    open_as: OpenAs, keys: Any, card: ModelCard, tmp_path: Path
) -> None:
    with httpx.Client(base_url=keys[0], headers={"Authorization": f"Bearer {keys[1]}"}, timeout=60) as api:
        video_id = api.post("/v1/videos", json={"prompt": "a red circle"}).raise_for_status().json()["id"]
        page = open_as(is_admin=True)
        page.get_by_role("button", name="Operators").click()
        panel = page.get_by_role("dialog", name="Operators")
        panel.get_by_label(f"Reason for the pause of {card.name}").fill("a new driver")
        panel.get_by_role("button", name=f"Pause {card.name}").click()
        wait_for_text(panel, "Reason: a new driver")
        assert api.get("/v1/queue").json()["data"][0]["reason"] == "paused"
        panel.get_by_label("Priority of a red circle").select_option("high")
        until(page, lambda: api.get(f"/v1/videos/{video_id}").json()["priority"] == "high")
        panel.get_by_role("button", name="Drain gpu-1", exact=True).click()
        panel.get_by_role("button", name="Drain gpu-1 and end it").click()
        wait_for_text(panel, "The drain is requested")
        assert violations(page) == []
        page.screenshot(path=tmp_path / "operators.png")
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        panel.get_by_role("button", name=f"Resume {card.name}").click()
        until(page, lambda: api.get("/v1/queue").json()["data"][0]["reason"] != "paused")
        api.delete(f"/v1/videos/{video_id}")


def test_a_first_visit_loads_few_bytes_and_other_keys_see_no_operators(open_as: OpenAs) -> None:
    page = open_as()
    page.locator(".examples img").last.wait_for()
    until(page, lambda: page.evaluate("document.readyState") == "complete")
    sizes = "performance.getEntries().map((one) => [one.name, one.encodedBodySize]).filter(([, bytes]) => bytes)"
    loaded: dict[str, int] = dict(page.evaluate(sizes))
    assert sum(loaded.values()) <= MAX_FIRST_VISIT_BYTES
    assert [name for name in loaded if "/film/editor" in name or "/operators/" in name or "mask_painter" in name] == []
    assert page.get_by_role("button", name="Operators").count() == 0


def test_refusals_are_in_chinese(open_as: OpenAs) -> None:
    page = open_as(locale="zh-CN")
    prompt, button = page.get_by_label("提示词", exact=True), page.locator("#submit")
    prompt.fill("红色的圆")
    button.click()
    wait_for_text(page.locator("#prompt-error"), "^此模型只读英文，中文会被删除。请用英文描述视频。$")
    prompt.fill("a red circle")
    page.get_by_label("先出草稿").check()
    page.get_by_label("时长", exact=True).fill("9")
    button.click()
    wait_for_text(page.locator("#form"), "草稿只有一个窗口，而此视频有 [0-9]+ 个。请减少帧数。")
    page.get_by_role("button", name="影片", exact=True).click()
    page.locator(".shot textarea").fill("a red circle")
    page.get_by_label("时长（秒）").fill("59")
    page.get_by_role("button", name="添加镜头").click()
    page.locator(".shot textarea").last.fill("a blue square")
    button.click()
    wait_for_text(page.get_by_role("alert"), "帧太多。前面的镜头之后还剩 [0-9]+ 帧，共 1440 帧。")


def test_warnings_and_a_failure_are_in_chinese(open_as: OpenAs, keys: Any) -> None:
    api = httpx.Client(base_url=keys[0], headers={"Authorization": f"Bearer {keys[2]}"}, timeout=60)
    record = api.post("/v1/videos", json={"prompt": "a red circle", "seconds": 0.4}).raise_for_status().json()
    page = open_as(locale="zh-CN")
    page.evaluate(f"location.hash = '{record['id']}'")
    wait_for_text(page.locator("#warnings"), "^0.4 秒已调整为 8 帧")
    failure = {"code": "worker_lost", "message": "The worker was lost.", "retryable": True, "blame": "infrastructure"}
    text = "shots[1]: the prompt has 130 tokens and the model reads 120; left out: 'fox'"
    codes = {"code": "prompt_too_long", "shot": 1, "values": {"tokens": "130", "limit": "120", "rest": "'fox'"}}
    failed = record | {"state": "failed", "status": "failed", "error": failure}
    failed |= {"warnings": [text, "a text of another release"]}
    failed |= {"warning_codes": [codes, {"code": "unknown", "shot": None, "values": {}}]}
    page.route(f"**/v1/videos/{record['id']}*", lambda route: route.fulfill(json=failed))
    page.reload()
    wait_for_text(page.locator("#failure"), "^每次尝试都失去了 worker。 重试可能有用。$")
    said = ["镜头 2：提示词有 130 个 token，模型只读 120 个。未读部分：'fox'", "a text of another release"]
    assert page.locator("#warnings li").all_inner_texts() == said
    api.delete(f"/v1/videos/{record['id']}")
    api.close()
