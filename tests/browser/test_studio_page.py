"""The studio page: accessibility in each state, sizes of windows, themes, languages, speed, and its pictures."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.stack.stack import LocalStack
from tests.browser.studio_page import (
    CONTROLS_WITHOUT_NAME,
    Open,
    fill,
    id_of,
    open_settings,
    played_duration_s,
    png,
    request_video,
    until,
    violations,
    wait_for_text,
    wait_until_finished,
)

PICTURES = Path(__file__).parents[2] / "docs" / "images" / "studio"
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SCRIPTS = "performance.getEntriesByType('resource').map((one) => one.name).filter((name) => name.endsWith('.js'))"


@pytest.fixture(scope="module")
def long_video(make_videos: Callable[..., list[str]]) -> str:
    """The id of a video of two parts."""
    prompt, sampling = "a large red circle moving to the {} on a blue background", {"seed": 7, "num_inference_steps": 8}
    first = make_videos(prompt.format("right"), **sampling)[0]
    return make_videos(prompt.format("left"), "/v1/videos/extensions", video={"id": first}, **sampling)[0]


def open_dialogs(page: Any) -> Iterator[str]:
    """Opens one dialog after the other, and yields the name of each."""
    open_settings(page)
    yield "settings"
    page.keyboard.press("Escape")
    chosen = {"name": "start.png", "mimeType": "image/png", "buffer": png("orange")}
    page.get_by_label("Start image", exact=True).set_input_files(chosen)
    buttons = {"code": "Copy as code", "crop": "Crop: Start image", "frame": "From a video: Start image"}
    for name, button in buttons.items():
        page.get_by_role("button", name=button).click()
        if name == "frame":
            page.locator(".choices button").first.click()
            page.get_by_role("slider", name="Frame").wait_for()
        yield name
        page.keyboard.press("Escape")
    page.locator("#actions").get_by_role("button", name="Change").click()
    page.get_by_role("button", name="Paint a mask").click()
    page.locator(".painter video").wait_for()
    yield "mask"
    page.keyboard.press("Escape")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_state_of_the_page_has_a_violation(open_studio: Open, long_video: str, theme: str) -> None:
    page = open_studio(color_scheme=theme)
    page.locator(".examples img").first.wait_for()
    faults = {"first": violations(page, theme)}
    page.locator(".advanced").evaluate("details => (details.open = true)")
    page.get_by_role("button", name="Generate video").click()
    page.locator("#prompt-error").wait_for()
    faults["error"] = violations(page, theme)
    page.evaluate(f"location.hash = '{long_video}'")
    played_duration_s(page)
    page.locator(".timeline").wait_for()
    page.get_by_text("More", exact=True).click()
    faults["finished"] = violations(page, theme)
    page.keyboard.press("Escape")
    if theme == "light":  # the dialogs have the colours of the page
        faults |= {name: violations(page, theme) for name in open_dialogs(page)}
    page.get_by_role("button", name="Text or image").click()
    request_video(page, "a slow one", Steps="150", Length="9")
    page.locator("#bar").wait_for()
    faults["running"] = violations(page, theme)
    page.get_by_role("button", name="Cancel").click()
    wait_for_text(page.locator("#status"), "Cancelled")
    faults["cancelled"] = violations(page, theme)
    page.get_by_role("button", name="Clear the form").click()
    page.locator("#undo").wait_for()
    faults["undo"] = violations(page, theme)
    page.get_by_role("button", name="Select", exact=True).click()
    faults["selecting"] = violations(page, theme)
    assert {state: lines for state, lines in faults.items() if lines} == {}


def test_the_page_fits_the_window_and_each_control_has_a_name(open_studio: Open, long_video: str) -> None:
    page = open_studio(f"/#{long_video}", viewport={"width": 1920, "height": 800})
    played_duration_s(page)
    page.locator(".timeline img").last.wait_for()
    for width in (1920, 1280, 1024, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTROLS_WITHOUT_NAME) == []
        if width == 1024:  # the gallery is below the stage, and covers nothing of it
            details, gallery = page.locator(".details").bounding_box(), page.locator("#gallery-section").bounding_box()
            assert details["y"] + details["height"] <= gallery["y"]


def test_on_a_phone_the_button_stays_in_view_and_the_stage_is_first(open_studio: Open) -> None:
    page = open_studio(viewport={"width": 390, "height": 844}, has_touch=True)
    page.get_by_label("Prompt", exact=True).scroll_into_view_if_needed()
    box = page.locator("#submit").bounding_box()
    assert box["y"] + box["height"] <= 844
    assert box["height"] >= 44
    stage, form = page.locator("#stage").bounding_box(), page.locator("#form").bounding_box()
    assert stage["y"] < form["y"]
    fill(page, Steps="3", Length="1")
    page.get_by_label("Prompt", exact=True).fill("a red circle")
    page.locator("#submit").click()
    id_of(page)
    until(page, lambda: 0 <= page.locator("#screen").bounding_box()["y"] < 844)
    wait_until_finished(page)
    assert violations(page) == []


def test_all_of_it_works_with_the_keyboard(open_studio: Open) -> None:
    page = open_studio()
    page.locator("#size").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.type("a red circle")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("on black")
    page.locator("#num_inference_steps").evaluate("one => (one.closest('details').open = true)")
    page.locator("#num_inference_steps").focus()
    page.keyboard.type("3")
    page.keyboard.press("Control+Enter")
    wait_until_finished(page)
    page.get_by_text("More", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Use these settings"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.get_by_role("button", name="Copy as code").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    until(page, lambda: page.get_by_role("dialog").count() == 0)
    assert page.evaluate("document.activeElement.ariaLabel") == "Copy as code"


def test_theme_and_language_are_chosen_and_kept(open_studio: Open) -> None:
    page = open_studio(color_scheme="light", locale="en-GB")
    settings = open_settings(page)
    settings.get_by_label("Theme").select_option("dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(14, 14, 19)"
    settings.get_by_label("Language").select_option("zh")
    page.get_by_role("dialog", name="设置").wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="生成视频").wait_for()
    page.reload()
    page.get_by_role("button", name="生成视频").wait_for()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert page.evaluate(colour) == "rgb(14, 14, 19)"
    page.get_by_role("button", name="生成视频").click()
    wait_for_text(page.locator("#prompt-error"), "请写下视频的内容")
    assert violations(page) == []


def test_a_browser_in_chinese_gets_the_page_in_chinese(open_studio: Open) -> None:
    page = open_studio(locale="zh-CN")
    page.get_by_role("button", name="生成视频").wait_for()


def test_a_notification_is_shown_and_a_sound_is_played_at_the_end(open_studio: Open) -> None:
    page = open_studio()
    settings = open_settings(page)
    settings.get_by_label("Play a sound").check()
    page.evaluate("""() => {
        [window.notes, window.tones, window.answer] = [[], [], 'denied'];
        const { start } = OscillatorNode.prototype;
        OscillatorNode.prototype.start = function (time) { tones.push(this.frequency.value); start.call(this, time); };
        window.Notification = class { static permission = 'granted'; static requestPermission = async () => answer;
            constructor(title, { body }) { notes.push([title, body]); } };
        Object.defineProperty(document, 'hidden', { get: () => true });
    }""")
    notify = settings.get_by_label("Show a notification")
    notify.click()
    wait_for_text(settings.get_by_role("alert"), "The browser does not allow notifications")
    assert not notify.is_checked()
    page.evaluate("answer = 'granted'")
    notify.check()
    page.keyboard.press("Escape")
    request_video(page, "a red circle", Steps="3", Length="1")
    wait_until_finished(page)
    until(page, lambda: page.evaluate("tones.length") == 2)
    assert page.evaluate("[notes, tones]") == [[["Finished", "a red circle"]], [660, 880]]


def test_the_first_paint_waits_for_the_files_of_the_document_alone(open_studio: Open) -> None:
    page = open_studio()
    page.route("**/v1/**", lambda route: None)  # the API does not answer
    page.reload(wait_until="commit")
    until(page, lambda: page.evaluate(FIRST_PAINT))
    named = page.evaluate("[...document.querySelectorAll('link, script')].map((one) => one.href || one.src)")
    assert [url for url in page.evaluate(SCRIPTS) if url not in named] == []


@pytest.mark.slow
def test_a_running_video_continues_after_a_restart_of_the_api(open_studio: Open, stack: LocalStack) -> None:
    page = open_studio()
    request_video(page, "a green circle", Steps="200", Length="1")
    id_of(page)
    standing = page.locator("#stage .standing")
    until(page, lambda: "Sending" not in standing.inner_text())  # the page has read a state, which it can show
    page.route("**/v1/**", lambda route: route.abort())  # until the text is seen: the API is back within seconds
    stack.children["api"].terminate()
    wait_for_text(standing, r"Last known: [\s\S]+The service does not respond")
    page.unroute("**/v1/**")
    wait_until_finished(page)
    assert played_duration_s(page) == 1.0


PAGES = {
    "first": {"viewport": {"width": 1280, "height": 800}},
    "finished": {"viewport": {"width": 1280, "height": 800}},
    "dark": {"viewport": {"width": 1920, "height": 1080}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
    "chinese": {"viewport": {"width": 1280, "height": 800}, "locale": "zh-CN"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_picture_of_the_page_is_drawn(open_studio: Open, long_video: str, tmp_path: Path, name: str) -> None:
    page = open_studio("/" if name in ("first", "chinese") else f"/#{long_video}", **PAGES[name])
    if name in ("first", "chinese"):
        page.locator(".examples img").last.wait_for()
    else:
        played_duration_s(page)
        page.locator(".timeline img").last.wait_for()
        page.locator("#screen video").evaluate("video => { video.pause(); video.currentTime = 0.5; }")
    page.locator("#gallery img").first.wait_for()
    wanted = os.environ.get("STUDIO_PICTURES")  # the pictures of the documentation are drawn on request
    file = (PICTURES if wanted else tmp_path) / f"{name}.jpg"
    file.parent.mkdir(exist_ok=True)
    page.screenshot(path=file, type="jpeg", quality=60)
    assert file.stat().st_size <= 120_000
