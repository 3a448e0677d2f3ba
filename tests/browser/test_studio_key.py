"""The API key in the studio."""

import pytest

from tests.browser.studio_page import Open, open_settings, request_video, until, violations, wait_for_text

pytestmark = pytest.mark.slow

STORED = "[sessionStorage.getItem('key'), localStorage.getItem('key'), document.cookie]"


def test_the_page_requests_a_key_and_keeps_it_in_the_tab_only(open_studio: Open, key: str, finished: str) -> None:
    page = open_studio(key=None)
    login = page.get_by_role("dialog", name="API key required")
    login.get_by_label("API key", exact=True).fill("wrong")
    login.get_by_role("button", name="Continue").click()
    wait_for_text(login, "This key is not valid")
    assert violations(page) == []
    login.get_by_label("API key", exact=True).fill(key)
    login.get_by_label("API key", exact=True).press("Enter")
    until(page, lambda: page.locator("#gallery li").count())
    assert not login.is_visible()
    assert page.evaluate(STORED) == [key, None, ""]
    page.reload()
    until(page, lambda: page.locator("#gallery li").count())
    assert not login.is_visible()
    open_settings(page).get_by_role("button", name="Change the key").click()
    login.wait_for()
    assert not login.get_by_text("This key is not valid").is_visible()


def test_a_key_is_remembered_for_other_tabs_if_wished(open_studio: Open, key: str, finished: str) -> None:
    page = open_studio(key=None)
    login = page.get_by_role("dialog")
    login.get_by_label("API key", exact=True).fill(key)
    login.get_by_label("Remember on this device").check()
    login.get_by_role("button", name="Continue").click()
    until(page, lambda: page.locator("#gallery li").count())
    assert page.evaluate(STORED) == [key, key, ""]
    other = page.context.new_page()
    other.goto(page.url)
    until(other, lambda: other.locator("#gallery li").count())
    assert not other.get_by_role("dialog").is_visible()


def test_a_key_is_remembered_or_forgotten_in_the_settings(open_studio: Open, key: str) -> None:
    page = open_studio()
    remember = open_settings(page).get_by_label("Remember on this device")
    remember.check()
    assert page.evaluate(STORED) == [key, key, ""]
    remember.uncheck()
    assert page.evaluate(STORED) == [key, None, ""]


def test_the_page_requests_a_missing_key_at_the_first_action(open_studio: Open, key: str) -> None:
    page = open_studio(key=None)
    login = page.get_by_role("dialog")
    login.get_by_role("button", name="Not now").click()
    wait_for_text(page.locator("#trouble"), "Enter a key")
    request_video(page, "a ball")
    assert login.is_visible() or until(page, login.is_visible)
    login.get_by_label("API key", exact=True).fill("wrong")
    login.get_by_role("button", name="Continue").click()
    wait_for_text(login, "not valid")
    login.get_by_role("button", name="Not now").click()
    wait_for_text(page.locator("#trouble"), "Enter a key")
    open_settings(page).get_by_role("button", name="Change the key").click()
    login.get_by_label("API key", exact=True).fill(key)
    login.get_by_role("button", name="Continue").click()
    until(page, lambda: page.locator("#trouble").count() == 0)
    until(page, lambda: page.locator("#size").count())
