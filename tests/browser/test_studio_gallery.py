"""The list of videos in the studio: live tiles, search, older videos, and several at once."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.browser.studio_page import (
    Open,
    fill,
    id_of,
    request_video,
    until,
    violations,
    wait_for_text,
    wait_until_finished,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def batch(make_videos: Callable[..., list[str]]) -> list[str]:
    """The ids of four short videos of one request, the newest of the list."""
    return make_videos("a white cross on black", n=4)


def tile(page: Any, video_id: str) -> Any:
    return page.locator(f"#gallery li:has(a[href='#{video_id}'])")


def test_a_second_tab_shows_the_videos_of_the_first_while_they_run(open_studio: Open) -> None:
    page, other = open_studio(), open_studio()
    request_video(page, "a slow green square", Steps="200", Size="192x192")  # minutes; it is cancelled
    in_other = tile(other, id_of(page))
    until(other, in_other.count)
    until(other, lambda: "%" in in_other.inner_text())
    page.get_by_role("button", name="Cancel").click()
    wait_for_text(in_other, "Cancelled")


def test_four_variations_are_shown_side_by_side(open_studio: Open, finished: str, api: httpx.Client) -> None:
    page = open_studio(f"/#{finished}")
    page.get_by_role("button", name="Four variations").click()
    until(page, lambda: page.locator(".board video").count() == 4)
    ids = id_of(page).split(",")
    records = [api.get(f"/v1/videos/{video_id}").json() for video_id in ids]
    assert {record["prompt"] for record in records} == {"a blue square stands still"}
    assert len({record["seed"] for record in records}) == 4
    page.reload()
    until(page, lambda: page.locator(".board video").count() == 4)
    page.locator(".board a").first.click()
    wait_until_finished(page)
    assert id_of(page) == ids[0]


def test_of_two_drafts_one_is_finished(open_studio: Open, api: httpx.Client) -> None:
    page = open_studio()
    page.get_by_label("Draft first").check()
    page.get_by_role("group", name="Videos", exact=True).get_by_role("button", name="2").click()
    fill(page, **{"Steps of the draft": "5"})
    request_video(page, "a small blue circle", Steps="5", Length="1")
    wait_for_text(page.locator("#draft-error"), "between 1 and 4")
    fill(page, **{"Steps of the draft": ""})
    page.get_by_role("button", name="Generate 2 drafts").click()
    finish = page.get_by_role("button", name="Finish the draft with seed")
    until(page, lambda: finish.count() == 2)
    assert violations(page) == []
    drafts = id_of(page).split(",")
    records = [api.get(f"/v1/videos/{draft}").json() for draft in drafts]
    assert [(record["state"], record["draft"]) for record in records] == [("draft", {"steps": 1})] * 2
    until(page, lambda: tile(page, drafts[1]).count())
    tools = tile(page, drafts[1]).get_by_role("button")
    assert [one.get_attribute("title") for one in tools.all()] == ["Favourite", "Finish", "Delete"]
    finish.last.click()
    wait_until_finished(page)
    finished = api.get(f"/v1/videos/{id_of(page)}").json()
    assert (finished["promoted_from"], finished["draft_reused"]) == (drafts[1], True)
    page.go_back()
    page.get_by_role("link", name=f"Open finished: seed {finished['seed']}").wait_for()
    page.get_by_role("link", name=f"Seed {records[0]['seed']}").click()
    actions = page.locator("#actions")
    actions.get_by_role("button", name="Finish this draft").wait_for()
    assert not actions.get_by_role("button", name="Extend").count()


def test_older_videos_are_read_when_the_end_is_in_view(open_studio: Open, batch: list[str]) -> None:
    page = open_studio()
    pages: list[str | None] = []

    def two_at_a_time(route: Any) -> None:
        pages.append(parse_qs(urlsplit(route.request.url).query).get("after", [None])[0])
        route.continue_(url=route.request.url.replace("limit=24", "limit=2"))

    page.route("**/v1/videos?*", two_at_a_time)
    page.reload()

    def shown_after_a_scroll() -> bool:
        for end in page.locator("#gallery li").all()[-1:]:
            end.scroll_into_view_if_needed()
        return all(tile(page, one).count() for one in batch)

    until(page, shown_after_a_scroll)
    assert len({after for after in pages if after}) >= 1
    shown = [link.get_attribute("href") for link in page.locator("#gallery a").all()]
    assert len(shown) == len(set(shown))


def test_the_search_shows_videos_with_all_words(open_studio: Open, batch: list[str], finished: str) -> None:
    page = open_studio()
    until(page, lambda: tile(page, finished).count() and tile(page, batch[3]).count())
    page.get_by_label("Search").fill("CROSS white")
    assert page.locator("#gallery li").count() == 4
    assert tile(page, finished).count() == 0
    page.get_by_label("Search").fill("cross nothing")
    wait_for_text(page.locator("#gallery-section"), "No video has these words")


def test_favourites_are_kept_on_this_device_and_can_be_shown_alone(open_studio: Open, batch: list[str]) -> None:
    page = open_studio()
    star = tile(page, batch[1]).get_by_role("button", name="Favourite a white cross on black")
    star.click()
    assert star.get_attribute("aria-pressed") == "true"
    page.reload()
    page.get_by_role("button", name="Favourites", exact=True).click()
    until(page, lambda: page.locator("#gallery li").count() == 1)
    assert tile(page, batch[1]).count() == 1
    star.click()
    wait_for_text(page.locator("#gallery-section"), "No favourites yet")
    page.get_by_role("button", name="Favourites", exact=True).click()
    until(page, lambda: page.locator("#gallery li").count() >= 4)


def test_a_tile_plays_under_the_pointer_and_with_the_focus(open_studio: Open, batch: list[str]) -> None:
    page = open_studio()
    one = tile(page, batch[0])
    until(page, lambda: one.locator("img").count())
    one.hover()
    until(page, lambda: one.locator("video").evaluate("video => video.currentTime > 0"))
    page.mouse.move(0, 0)
    until(page, lambda: one.locator("video").count() == 0)
    one.locator("a").focus()
    until(page, lambda: one.locator("video").count() == 1)


def test_the_tools_of_a_tile_are_one_stop_of_the_tab_key(open_studio: Open, batch: list[str]) -> None:
    page = open_studio()
    one = tile(page, batch[2])
    until(page, lambda: one.get_by_role("button").count() == 4)
    assert one.get_by_role("toolbar", name="Tools of a white cross on black").count() == 1
    one.locator("a").focus()

    def focused_after(*keys: str) -> list[str]:
        focused = []
        for key in keys:
            page.keyboard.press(key)
            focused.append(str(page.evaluate("document.activeElement.title || document.activeElement.tagName")))
        return focused

    assert focused_after("Tab", "Tab", "Shift+Tab", "Shift+Tab", "Tab") == [
        "Favourite",
        "A",
        "Favourite",
        "A",
        "Favourite",
    ]
    moves = ("ArrowRight", "ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home", "ArrowRight")
    assert focused_after(*moves) == ["Remix", "Extend", "Delete", "Favourite", "Delete", "Favourite", "Remix"]
    assert violations(page) == []
    assert focused_after("Tab", "Shift+Tab") == ["A", "Remix"]
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remix video").wait_for()


def test_two_videos_share_a_frame_that_a_line_divides(open_studio: Open, batch: list[str]) -> None:
    page = open_studio(f"/#{batch[2]},{batch[3]}")
    page.get_by_role("button", name="Wipe").click()
    line = page.get_by_role("slider", name="Line between the videos")
    clip = "getComputedStyle(document.querySelectorAll('.wipe > video')[1]).clipPath"
    line.focus()
    for key, share in {"Home": 0, "End": 100, "ArrowLeft": 99}.items():
        page.keyboard.press(key)
        assert page.evaluate(clip).endswith(f" {share}%)")
    box = page.locator(".wipe").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    assert line.input_value() == "25"
    times = "[...document.querySelectorAll('.wipe > video')].map((video) => video.currentTime)"
    until(page, lambda: min(page.evaluate(times)) > 0)
    page.get_by_role("slider", name="Frame").fill("5")
    assert page.evaluate(times) == pytest.approx([5.5 / 8] * 2)
    page.get_by_role("button", name="Play", exact=True).wait_for()
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_several_videos_are_selected_compared_and_deleted(
    open_studio: Open, batch: list[str], api: httpx.Client
) -> None:
    page = open_studio()
    page.get_by_role("button", name="Select", exact=True).click()
    for video_id in batch[:2]:
        tile(page, video_id).get_by_role("checkbox").check()
    selection = page.get_by_role("group", name="Select")
    wait_for_text(selection, "2 selected")
    selection.get_by_role("button", name="Compare").click()
    until(page, lambda: page.locator(".board video").count() == 2)
    selection.get_by_role("button", name="Delete").click()
    wait_for_text(page.locator(".toast"), "2 videos deleted")
    page.locator(".toast.open").hover()  # it stays under the pointer
    until(page, lambda: tile(page, batch[0]).count() == 0)
    page.keyboard.press("Control+z")
    until(page, lambda: page.locator(".board video").count() == 2 and tile(page, batch[0]).count() == 1)
    for video_id in batch[:2]:
        tile(page, video_id).get_by_role("checkbox").check()
    selection.get_by_role("button", name="Delete").click()
    page.locator(".toast.open").hover()
    assert api.get(f"/v1/videos/{batch[0]}").status_code == 200
    page.reload()  # the page is left, and with it the message
    until(page, lambda: [api.get(f"/v1/videos/{one}").status_code for one in batch] == [404, 404, 200, 200])
