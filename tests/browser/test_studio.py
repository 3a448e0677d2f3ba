"""The studio in a real browser, with the whole service."""

import re
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from cli.stack.stack import LocalStack
from jobs.storage.paths import input_key

Open = Callable[..., Any]
pytestmark = pytest.mark.slow

CONTROLS_WITHOUT_NAME = """() => [...document.querySelectorAll('input, select, textarea, button, a')]
    .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim())).map((one) => one.outerHTML)"""
DURATION_AND_TIME = "(video => video && [video.duration, video.currentTime])(document.querySelector('#screen video'))"


def wait_for_text(locator: Any, text: str, timeout_s: float = 150) -> None:
    """Waits until the element contains the text."""
    from playwright.sync_api import expect

    expect(locator).to_contain_text(re.compile(text), timeout=timeout_s * 1000)


def until(page: Any, holds: Callable[[], Any], timeout_s: float = 150) -> Any:
    """Waits until `holds` returns a true value, and returns it."""
    deadline = time.monotonic() + timeout_s
    while not (result := holds()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        page.wait_for_timeout(50)
    return result


def request_video(page: Any, prompt: str, **advanced: str) -> None:
    """Fills the form and presses Enter."""
    if advanced:
        page.get_by_text("Advanced").click()
    for label, value in advanced.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_label("Prompt", exact=True).press("Enter")


def id_of(page: Any) -> str:
    """The id of the video on the stage."""
    return str(until(page, lambda: page.evaluate("location.hash.slice(1)")))


def played_duration_s(page: Any) -> float:
    """Waits for a video that plays, and returns its duration."""

    def duration_and_time() -> list[float] | None:
        values: list[float] | None = page.evaluate(DURATION_AND_TIME)
        return values if values and values[0] and values[1] > 0 else None

    return float(until(page, duration_and_time)[0])


def test_a_prompt_becomes_a_video_that_plays(open_studio: Open, api: httpx.Client) -> None:
    page = open_studio()
    request_video(page, "a red circle moves to the right", Steps="60", Seed="7")
    bar, observed = page.locator("#bar"), []
    until(
        page, lambda: observed.append(bar.get_attribute("value")) or page.locator("#status").inner_text() == "Finished"
    )
    assert {int(value) for value in observed if value} & set(range(5, 90))
    assert played_duration_s(page) == 2.0
    wait_for_text(page.locator("#facts"), "seed7steps60")
    assert api.get(f"/v1/videos/{id_of(page)}").json()["prompt"] == "a red circle moves to the right"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"{id_of(page)}.mp4"
    assert page.locator("#gallery li").first.locator("img").is_visible()


def test_the_latest_preview_is_shown_while_it_runs(open_studio: Open) -> None:
    page = open_studio()
    request_video(page, "a green triangle turns", Steps="120")
    image = page.get_by_alt_text("Preview")
    until(page, lambda: image.is_visible() and image.evaluate("image => image.naturalWidth"))
    page.get_by_role("button", name="Cancel").click()
    wait_for_text(page.locator("#status"), "Cancelled")


@pytest.mark.parametrize(
    ("label", "value", "message"),
    [
        ("Prompt", "", "prompt"),
        ("Size", "65x64", "the nearest is 64x64"),
        ("Seed", "-1", "must be 0 or more"),
        ("Length", "1e9", "at most 180"),
        ("Steps", "999", "between 1 and 200"),
    ],
)
def test_a_refusal_is_shown_beside_its_field(open_studio: Open, label: str, value: str, message: str) -> None:
    page = open_studio()
    page.get_by_text("Advanced").click()
    page.get_by_label("Prompt", exact=True).fill("a ball")
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    page.get_by_text("Advanced").click()  # closes the section; an error inside it opens it
    page.get_by_role("button", name="Generate video").click()
    line = page.locator(f"[data-params]:has(#{field.get_attribute('id')}) > .error")
    wait_for_text(line, re.escape(message))
    assert field.get_attribute("aria-invalid") == "true"
    assert field.evaluate("one => one === document.activeElement")


def png(colour: str) -> bytes:
    """A PNG of one colour."""
    file = BytesIO()
    Image.new("RGB", (80, 64), colour).save(file, "PNG")
    return file.getvalue()


def drop(page: Any, selector: str, name: str, data: bytes) -> None:
    """Drops a file on an element."""
    transfer = page.evaluate_handle(
        """([name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
            return transfer;
        }""",
        [name, list(data)],
    )
    page.dispatch_event(selector, "drop", {"dataTransfer": transfer})


def test_images_are_chosen_or_dropped(open_studio: Open, stack: LocalStack) -> None:
    page = open_studio()
    chosen = {"name": "start.png", "mimeType": "image/png", "buffer": png("orange")}
    page.get_by_label("Start image", exact=True).set_input_files(chosen)
    drop(page, "label[for=last_image]", "end.png", png("teal"))
    assert page.get_by_alt_text("start.png").is_visible()
    assert page.get_by_alt_text("end.png").is_visible()
    request_video(page, "the light wanders", Steps="3")
    wait_for_text(page.locator("#status"), "Finished")
    folder = (stack.plan.data_dir / "objects" / input_key(id_of(page), "image.png")).parent
    assert {Image.open(file).getpixel((1, 1)) for file in folder.iterdir()} == {(255, 165, 0), (0, 128, 128)}


def test_an_invalid_image_is_refused_beside_its_field_and_can_be_removed(open_studio: Open) -> None:
    page = open_studio()
    drop(page, "label[for=image]", "start.png", b"no image")
    request_video(page, "the light wanders")
    wait_for_text(page.locator(".field:has(#image) > .error"), "image")
    page.get_by_role("button", name="Remove start image").click()
    request_video(page, "the light wanders")
    wait_for_text(page.locator("#status"), "Finished")


def test_one_frame_is_shown_as_an_image(open_studio: Open) -> None:
    page = open_studio()
    page.get_by_label("Unit").select_option("frames")
    request_video(page, "a red cross", Steps="3", Length="1")
    wait_for_text(page.locator("#facts"), "an image")
    wait_for_text(page.locator("#status"), "Finished")
    image = page.get_by_alt_text("a red cross")
    assert until(page, lambda: image.is_visible() and image.evaluate("image => image.naturalWidth")) == 96
    assert not page.locator("#stage").get_by_role("button", name="Extend").is_visible()


def test_without_a_reachable_link_the_video_comes_from_the_api(open_studio: Open, finished: str) -> None:
    page = open_studio()
    page.route("**/files/**", lambda route: route.abort())
    page.evaluate(f"location.hash = '{finished}'")
    assert played_duration_s(page) == 1.0


def test_a_video_is_cancelled_and_requested_again(open_studio: Open, api: httpx.Client) -> None:
    page = open_studio()
    request_video(page, "a slow one", Steps="200", Length="9", Seed="11")
    first = id_of(page)
    page.get_by_role("button", name="Cancel").click()
    wait_for_text(page.locator("#status"), "Cancelled")
    page.get_by_role("button", name="Retry").click()
    until(page, lambda: id_of(page) != first)
    retried = api.get(f"/v1/videos/{id_of(page)}").json()
    assert (retried["prompt"], retried["seed"], retried["seconds"]) == ("a slow one", 11, "9")
    page.get_by_role("button", name="Cancel").click()
    wait_for_text(page.locator("#status"), "Cancelled")


def test_a_reload_keeps_the_video(open_studio: Open, finished: str) -> None:
    page = open_studio(f"/#{finished}")
    assert played_duration_s(page) == 1.0
    page.reload()
    assert played_duration_s(page) == 1.0
    assert id_of(page) == finished


def test_a_reload_continues_to_follow_a_running_video(open_studio: Open) -> None:
    page = open_studio()
    request_video(page, "a yellow circle", Steps="100")
    id_of(page)
    page.reload()
    wait_for_text(page.locator("#status"), "Finished")


def test_without_events_the_page_polls(open_studio: Open) -> None:
    page = open_studio()
    page.route("**/events", lambda route: route.abort())
    request_video(page, "a purple square", Steps="3")
    wait_for_text(page.locator("#status"), "Finished")
    assert played_duration_s(page) == 2.0


def test_a_failed_video_shows_the_reason_and_whether_a_retry_helps(
    open_studio: Open, api: httpx.Client, finished: str
) -> None:
    record = api.get(f"/v1/videos/{finished}").json()
    error = {"code": "worker_lost", "message": "Three workers were lost.", "retryable": True, "blame": "infrastructure"}
    failed = record | {"status": "failed", "state": "failed", "error": error, "url": None, "inference_time_s": None}
    page = open_studio()
    page.route(f"**/v1/videos/{finished}", lambda route: route.fulfill(json=failed))
    page.evaluate(f"location.hash = '{finished}'")
    wait_for_text(page.locator("#failure"), "Three workers were lost. A retry may help.")
    page.get_by_role("button", name="Retry").click()
    until(page, lambda: id_of(page) != finished)
    wait_for_text(page.locator("#status"), "Finished")


def test_the_page_requests_a_key_and_keeps_it_in_the_tab_only(open_studio: Open, key: str, finished: str) -> None:
    page = open_studio(key=None)
    login = page.get_by_role("dialog", name="API key required")
    login.get_by_label("API key").fill("wrong")
    login.get_by_role("button", name="Continue").click()
    wait_for_text(login, "This key is not valid")
    login.get_by_label("API key").fill(key)
    login.get_by_label("API key").press("Enter")
    until(page, lambda: page.locator("#gallery li").count())
    assert not login.is_visible()
    assert page.evaluate("[sessionStorage.getItem('key'), localStorage.length, document.cookie]") == [key, 0, ""]
    page.reload()
    until(page, lambda: page.locator("#gallery li").count())
    assert not login.is_visible()
    page.get_by_role("button", name="Key", exact=True).click()
    assert login.is_visible()
    assert not login.get_by_text("This key is not valid").is_visible()


def test_the_page_requests_a_missing_key_at_the_first_action(open_studio: Open) -> None:
    page = open_studio(key=None)
    login = page.get_by_role("dialog")
    login.get_by_role("button", name="Not now").click()
    wait_for_text(page.locator("#trouble"), "API key is required")
    request_video(page, "a ball")
    assert login.is_visible() or until(page, login.is_visible)


def test_a_finished_video_is_remixed_extended_and_deleted(open_studio: Open, api: httpx.Client, finished: str) -> None:
    page = open_studio(f"/#{finished}")
    page.locator("#stage").get_by_role("button", name="Remix").click()
    assert page.get_by_label("Prompt", exact=True).input_value() == "a blue square stands still"
    assert not page.get_by_label("Seed").is_visible()
    request_video(page, "a red square stands still")
    remix = until(page, lambda: id_of(page) != finished and id_of(page))
    wait_for_text(page.locator("#status"), "Finished")
    assert api.get(f"/v1/videos/{remix}").json()["remixed_from_video_id"] == finished

    page.locator("#stage").get_by_role("button", name="Extend").click()
    page.get_by_label("Unit").select_option("frames")
    page.get_by_label("Length", exact=True).fill("8")
    page.get_by_role("button", name="Extend video").click()
    longer = until(page, lambda: id_of(page) != remix and id_of(page))
    wait_for_text(page.locator("#facts"), "16 frames")
    wait_for_text(page.locator("#status"), "Finished")
    assert api.get(f"/v1/videos/{longer}").json()["source_video_id"] == remix

    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#stage").get_by_role("button", name="Delete").click()
    wait_for_text(page.locator("#status"), "Deleted")
    assert api.get(f"/v1/videos/{longer}").status_code == 404
    until(page, lambda: page.locator(f"#gallery a[href='#{longer}']").count() == 0)


def test_a_deleted_video_is_shown_as_deleted(open_studio: Open) -> None:
    page = open_studio("/#video_of_yesterday")
    wait_for_text(page.locator("#status"), "does not exist")
    assert page.evaluate("location.hash") == ""


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_the_page_fits_the_window_and_each_control_has_a_name(open_studio: Open, finished: str, width: int) -> None:
    page = open_studio(f"/#{finished}", viewport={"width": width, "height": 800})
    played_duration_s(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTROLS_WITHOUT_NAME) == []
