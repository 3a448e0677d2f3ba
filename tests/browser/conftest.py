"""Debian's Chromium, driven by Playwright, and the whole service with the small model and an API key."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.stack.stack import LocalStack
from tests.stack_plan import stack_plan

KEY = "key-of-the-studio"
NAMES = ("chromium", "chromium-browser", "google-chrome")
NAMES_OF_PAGES = "--host-resolver-rules=MAP *.example 127.0.0.1"  # pages of other sites, on this machine
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium. Fails the tests if it is missing."""
    result = next(filter(None, map(shutil.which, NAMES)), None)
    return result or pytest.fail(f"Chromium is missing ({', '.join(NAMES)}): run tests/browser/chromium.sh as root")


@pytest.fixture(scope="session")
def stack(
    chromium: str, tmp_path_factory: pytest.TempPathFactory, models_dir: Path, group_end: ExitStack
) -> LocalStack:
    """The embedded service with a required API key. It is started only if there is a browser."""
    settings = {"EASYANIMATE_API_KEYS": KEY, "OMP_NUM_THREADS": "1", "EASYANIMATE_REUSE_WINDOWS": "on"}
    stack = LocalStack(stack_plan(tmp_path_factory.mktemp("browser"), models_dir, settings)).start()
    group_end.callback(stack.stop)
    return stack


@pytest.fixture(scope="module")  # while it is open, no other event loop can run in this process
def browser(chromium: str) -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=[*QUIET, NAMES_OF_PAGES])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def key() -> str:
    """The API key of the service."""
    return KEY


@pytest.fixture
def open_studio(browser: Any, stack: LocalStack) -> Iterator[Callable[..., Any]]:
    """Opens the studio in a new tab, with or without the key. Script errors and foreign requests are failures."""
    errors: list[str] = []
    with ExitStack() as opened:

        def open_studio(path: str = "/", key: str | None = KEY, **window: Any) -> Any:
            context = opened.enter_context(browser.new_context(**window))
            if key:
                context.add_init_script(f"sessionStorage.getItem('key') ?? sessionStorage.setItem('key', '{key}')")
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("request", lambda request: errors.append(request.url) if is_elsewhere(request.url) else None)
            page.on("console", lambda line: errors.append(line.text) if "Content Security" in line.text else None)
            page.goto(stack.url + path)
            return page

        def is_elsewhere(url: str) -> bool:
            return not url.startswith((stack.url, "blob:"))

        yield open_studio
    assert errors == []


@pytest.fixture
def api(stack: LocalStack) -> Iterator[httpx.Client]:
    """A client of the same service."""
    with httpx.Client(base_url=stack.url, timeout=120, headers={"Authorization": f"Bearer {KEY}"}) as client:
        yield client


@pytest.fixture(scope="module")
def make_videos(stack: LocalStack) -> Iterator[Callable[..., list[str]]]:
    """Makes videos of 8 frames by one request, and returns their ids when they are finished."""
    with httpx.Client(base_url=stack.url, timeout=60, headers={"Authorization": f"Bearer {KEY}"}) as api:

        def make_videos(prompt: str, path: str = "/v1/videos", **fields: Any) -> list[str]:
            request = {"prompt": prompt, "num_frames": 8, "num_inference_steps": 2, **fields}
            record = api.post(path, json=request).raise_for_status().json()
            ids: list[str] = record.get("batch") or [record["id"]]
            for video_id in ids:
                wait_until_completed(api, video_id)
            return ids

        yield make_videos


def wait_until_completed(api: httpx.Client, video_id: str) -> None:
    """Waits until the video is finished."""
    deadline = time.monotonic() + 200
    while api.get(f"/v1/videos/{video_id}", headers={"Prefer": "wait=30"}).json()["status"] != "completed":
        assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def finished(make_videos: Callable[..., list[str]]) -> str:
    """The id of a finished video, which the tests of a file share."""
    return make_videos("a blue square stands still", num_inference_steps=3)[0]
