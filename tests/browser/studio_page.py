"""Steps that the tests of the studio share."""

import re
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from PIL import Image

Open = Callable[..., Any]
TIMEOUT_S = 150
DURATION_AND_TIME = "(video => video && [video.duration, video.currentTime])(document.querySelector('#screen video'))"
RULES = {
    "light": {"rules": {"video-caption": {"enabled": False}}},  # generated videos have no sound and no words
    "dark": {"runOnly": ["color-contrast"]},  # no other rule depends on the theme
}
CONTROLS_WITHOUT_NAME = """() => [...document.querySelectorAll('input, select, textarea, button, a')]
    .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim())).map((one) => one.outerHTML)"""


def wait_for_text(locator: Any, text: str) -> None:
    """Waits until the element contains the text."""
    from playwright.sync_api import expect

    expect(locator).to_contain_text(re.compile(text), timeout=TIMEOUT_S * 1000)


def until(page: Any, holds: Callable[[], Any]) -> Any:
    """Waits until `holds` returns a true value, and returns it."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (result := holds()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        page.wait_for_timeout(50)
    return result


def fill(page: Any, **values: str) -> None:
    """Fills fields by their labels."""
    page.locator(".advanced").evaluate("details => (details.open = true)")
    for label, value in values.items():
        page.get_by_label(label, exact=True).fill(value)


def request_video(page: Any, prompt: str, **values: str) -> None:
    """Fills the form and presses Enter."""
    if values:
        fill(page, **values)
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_label("Prompt", exact=True).press("Enter")


def shot(page: Any, number: int) -> Any:
    """The card of a shot of a film."""
    return page.get_by_role("group", name=f"Shot {number}", exact=True)


def open_film(page: Any, *texts: str) -> None:
    """Opens the mode of films and writes the prompts."""
    page.get_by_role("button", name="Film", exact=True).click()
    for number, text in enumerate(texts, 1):
        if number > 1:
            page.get_by_role("button", name="Add a shot").click()
        shot(page, number).get_by_label("Prompt", exact=True).fill(text)


def violations(page: Any, theme: str = "light") -> list[str]:
    """What axe finds on the page."""
    faults = Axe().run(page, options=RULES[theme]).response["violations"]
    return [f"{one['id']}: {node['html'][:150]}" for one in faults for node in one["nodes"]]


def open_settings(page: Any) -> Any:
    """Opens the settings of this device, and returns the dialog."""
    page.get_by_role("button", name="Settings", exact=True).click()
    dialog = page.get_by_role("dialog", name="Settings")
    dialog.wait_for()
    return dialog


def id_of(page: Any) -> str:
    """The id of the video on the stage."""
    return str(until(page, lambda: page.evaluate("location.hash.slice(1)")))


def wait_until_finished(page: Any) -> None:
    """Waits for the end of the video on the stage."""
    wait_for_text(page.locator("#status"), "Finished")


def played_duration_s(page: Any) -> float:
    """Waits for a video that plays, and returns its duration."""

    def duration_and_time() -> list[float] | None:
        values: list[float] | None = page.evaluate(DURATION_AND_TIME)
        return values if values and values[0] and values[1] > 0 else None

    return float(until(page, duration_and_time)[0])


def png(colour: str, size: tuple[int, int] = (80, 64)) -> bytes:
    """A PNG of one colour."""
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def send_file(page: Any, event: str, selector: str, name: str, data: bytes) -> None:
    """Drops a file on an element, or pastes it there."""
    page.evaluate(
        """([event, selector, name, bytes]) => {
            const transfer = new DataTransfer(), options = { bubbles: true, cancelable: true };
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
            document.querySelector(selector).dispatchEvent(event === 'drop'
                ? new DragEvent('drop', { ...options, dataTransfer: transfer })
                : new ClipboardEvent('paste', { ...options, clipboardData: transfer }));
        }""",
        [event, selector, name, list(data)],
    )
