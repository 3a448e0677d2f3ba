"""Studio and reference below a path of nginx with TLS, in a real browser: nothing is requested outside the path."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from easyanimate.files.video_writer import Mp4Writer
from jobs.model.model_card import ModelCard
from service.settings import ServiceSettings
from tests.announced_worker import announced_worker
from tests.integration.service.conftest import finished, running_apis
from tests.job_store import JobStore
from tests.proxies import Proxy, nginx

pytestmark = pytest.mark.slow

KEY = "key-of-the-studio"
TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class ProxiedStudio:
    """A front end behind nginx, without a worker."""

    proxy: Proxy
    settings: ServiceSettings
    store: JobStore
    mp4: bytes


@pytest.fixture(scope="module", params=["removes", "keeps"])
def studio(
    request: pytest.FixtureRequest,
    chromium: str,
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: EmbeddedRedis,
    card: ModelCard,
) -> Iterator[ProxiedStudio]:
    folder, removes_path = tmp_path_factory.mktemp("studio"), request.param == "removes"
    values = {"redis_url": redis_server.url, "data_dir": folder, "api_keys": KEY}
    settings = ServiceSettings.model_validate({**values, "root_path": "" if removes_path else "/video"})
    with Mp4Writer(folder / "a.mp4", width=64, height=64, fps=8) as video:
        video.write(np.zeros((16, 64, 64, 3), np.uint8))
    with running_apis() as start, Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        front_end = nginx(folder, lambda url: start(settings, public_url=url), removes_path=removes_path)
        with announced_worker(redis, card), front_end as proxy:
            yield ProxiedStudio(proxy, settings, JobStore(redis), (folder / "a.mp4").read_bytes())


@pytest.fixture
def page(browser: Any, studio: ProxiedStudio) -> Iterator[Any]:
    """A tab with the key. Script errors and requests outside the path of the proxy are failures."""
    failures: list[str] = []
    context = browser.new_context(ignore_https_errors=True)
    context.add_init_script(f"sessionStorage.setItem('key', '{KEY}')")
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda request: failures.append(request.url) if is_outside(request.url) else None)

    def is_outside(url: str) -> bool:
        return not url.startswith((studio.proxy.url + "/", "blob:", "data:"))

    yield page
    context.close()
    assert failures == []


def test_the_studio_creates_follows_and_plays_a_video_below_the_path(page: Any, studio: ProxiedStudio) -> None:
    from playwright.sync_api import expect

    page.goto(studio.proxy.url + "/")
    page.get_by_label("Prompt", exact=True).fill("a boat")
    with page.expect_response(lambda response: response.url.endswith("/events")) as events:
        page.get_by_label("Prompt", exact=True).press("Enter")
    page.wait_for_url("**/video/#video_*")
    finished(studio.store, studio.settings, str(page.evaluate("location.hash.slice(1)")), studio.mp4)
    assert events.value.status == 200
    expect(page.locator("#status")).to_have_text("Finished", timeout=TIMEOUT_MS)
    video = page.locator("#screen video")
    expect(video).to_have_js_property("duration", 2, timeout=TIMEOUT_MS)
    assert video.evaluate("video => video.currentSrc").startswith(studio.proxy.url + "/files/")
    expect(page.locator("#gallery li")).to_have_count(1)


@pytest.mark.parametrize("studio", ["removes"], indirect=True)  # to draw the page takes a while
def test_the_reference_of_the_studio_sends_its_requests_below_the_path(page: Any, studio: ProxiedStudio) -> None:
    page.goto(studio.proxy.url + "/")
    page.get_by_role("link", name="API").click()
    page.locator(".opblock", has_text="/healthz").first.click()
    page.get_by_role("button", name="Try it out").click()
    with page.expect_response(studio.proxy.url + "/healthz") as answer:
        page.get_by_role("button", name="Execute").click()
    assert answer.value.status == 200
