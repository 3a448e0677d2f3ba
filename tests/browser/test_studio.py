"""The studio in a real browser, with the whole service: to make, follow and end videos."""

from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from cli.stack.stack import LocalStack
from easyanimate.provenance.claims import TRAINED_MEDIA
from easyanimate.provenance.images import read_image_marks
from easyanimate.provenance.mp4 import read_mp4_marks
from easyanimate.provenance.webm import read_webm_xmp
from easyanimate.provenance.xmp import SOURCE_TYPE, xmp_property
from jobs.storage.paths import input_key
from tests.browser.studio_page import (
    Open,
    fill,
    id_of,
    open_film,
    played_duration_s,
    png,
    request_video,
    send_file,
    shot,
    until,
    violations,
    wait_for_text,
    wait_until_finished,
)

MAX_DIFFERENCE = 6.0  # of the values of a pixel, 0 to 255, on average: 256 colours, or a lossy codec
SHAPE_OF_FRAME = "(({ width, height }) => width / height)(document.querySelector('#screen').getBoundingClientRect())"


def in_view(page: Any, selector: str) -> bool:
    """Whether an element is in the window, as a whole."""
    return bool(
        page.locator(selector).evaluate(
            "one => (({ top, bottom }) => top >= 0 && bottom <= innerHeight)(one.getBoundingClientRect())"
        )
    )


def test_a_prompt_becomes_a_video_that_plays(open_studio: Open, api: httpx.Client) -> None:
    page = open_studio()
    fill(page, Size="128x64", Steps="200", Seed="7", Length="1")
    request_video(page, "a red circle moves to the right")
    page.locator("#screen").wait_for()
    assert page.evaluate(SHAPE_OF_FRAME) == pytest.approx(2, rel=0.02)  # at once, and not only with the first image
    assert in_view(page, "#screen")
    assert in_view(page, "#submit")
    observed: list[Any] = []
    titles = set()
    while page.locator("#status").inner_text() != "Finished":
        titles.add(page.title())
        observed.append(page.evaluate("document.querySelector('#bar')?.getAttribute('value')"))
        page.wait_for_timeout(50)
    assert {int(value) for value in observed if value} & set(range(5, 90))
    assert any(" % a red circle" in title for title in titles)
    assert played_duration_s(page) == 1.0
    assert page.title() == "Finished: a red circle moves to the right"
    assert page.evaluate(SHAPE_OF_FRAME) == pytest.approx(2, rel=0.02)
    wait_for_text(page.locator("#facts"), "Seed7Steps200")
    assert api.get(f"/v1/videos/{id_of(page)}").json()["prompt"] == "a red circle moves to the right"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"{id_of(page)}.mp4"
    assert page.locator("#gallery li").first.locator("img").is_visible()


def test_a_preview_is_shown_and_the_icon_changes_while_it_runs(open_studio: Open) -> None:
    page = open_studio()
    request_video(page, "a green triangle turns", Steps="200", Size="192x192")  # minutes; it is cancelled
    image = page.get_by_alt_text("Preview")
    until(page, lambda: image.is_visible() and image.evaluate("image => image.naturalWidth"))
    assert page.locator("link[rel=icon]").get_attribute("href").startswith("blob:")
    assert page.locator("#gallery .ring").is_visible()
    page.get_by_role("button", name="Cancel").click()
    wait_for_text(page.locator("#status"), "Cancelled")
    assert page.locator("link[rel=icon]").get_attribute("href").endswith("icon.svg")


def is_above(one: Any, other: Any) -> bool:
    """Whether an element ends above another one."""
    box = one.bounding_box()
    return bool(box["y"] >= 0 and box["y"] + box["height"] <= other.bounding_box()["y"])


@pytest.mark.parametrize(
    ("label", "value", "message"),
    [
        ("Prompt", "", "Write what the video shows"),
        ("Size", "65x64", "between 32 and 512.* The nearest is 64x64"),
        ("Seed", "-1", "whole number, 0 or more"),
        ("Length", "1e9", "at most 1440 frames"),
        ("Steps", "999", "between 1 and 200"),
    ],
)
def test_a_refusal_is_shown_beside_its_field_until_it_changes(
    open_studio: Open, label: str, value: str, message: str
) -> None:
    page = open_studio()
    fill(page, Prompt="a ball", **({} if label == "Prompt" else {label: value}))
    if label == "Prompt":
        fill(page, Prompt="")
    page.locator(".advanced").evaluate("details => (details.open = false)")  # an error inside it opens it
    page.get_by_role("button", name="Generate video").click()
    field = page.get_by_label(label, exact=True)
    line = page.locator(f"#{field.get_attribute('id')}-error")
    wait_for_text(line, message)
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-errormessage") == line.get_attribute("id")
    until(page, lambda: field.evaluate("one => one === document.activeElement"))
    until(page, lambda: is_above(line, page.locator(".submit")))  # the bar of the button does not hide it
    field.press_sequentially("1")
    assert line.count() == 0
    assert field.get_attribute("aria-invalid") is None


def test_images_are_dropped_anywhere_pasted_cropped_and_removed(open_studio: Open, stack: LocalStack) -> None:
    page = open_studio()
    send_file(page, "drop", "#stage", "start.png", png("orange", (160, 64)))
    send_file(page, "paste", "#prompt", "end.png", png("teal"))
    assert page.get_by_alt_text("start.png").is_visible()
    assert page.get_by_alt_text("end.png").is_visible()
    page.get_by_role("button", name="Crop: Start image").click()
    page.get_by_label("Zoom").fill("2")
    page.get_by_role("button", name="Apply").click()
    request_video(page, "the light wanders", Steps="3", Length="1")
    wait_until_finished(page)
    folder = (stack.plan.data_dir / "objects" / input_key(id_of(page), "image.png")).parent
    images = {file.name: Image.open(file) for file in folder.iterdir()}
    assert {image.getpixel((1, 1)) for image in images.values()} == {(255, 165, 0), (0, 128, 128)}
    assert images["image.png"].size == (32, 32)  # half of the 64 that fit, square as the video
    page.get_by_role("button", name="Remove start image").click()
    assert page.get_by_alt_text("start.png").count() == 0


def test_the_size_follows_the_shape_of_the_start_image(open_studio: Open, api: httpx.Client) -> None:
    page = open_studio()
    chosen = {"name": "wide.png", "mimeType": "image/png", "buffer": png("orange", (300, 140))}
    page.get_by_label("Start image", exact=True).set_input_files(chosen)
    page.get_by_label("Resize to the Start Image").check()
    size = page.get_by_label("Size", exact=True)
    until(page, size.input_value)
    assert size.is_disabled()
    expected = size.input_value()
    request_video(page, "the light wanders", Steps="3", Length="1")
    assert api.get(f"/v1/videos/{id_of(page)}").json()["size"] == expected
    width, height = map(int, expected.split("x"))
    assert page.evaluate(SHAPE_OF_FRAME) == pytest.approx(width / height, rel=0.02)
    wait_until_finished(page)


def test_an_invalid_image_is_refused_beside_its_field_and_can_be_removed(open_studio: Open) -> None:
    page = open_studio()
    send_file(page, "drop", "label[for=image]", "start.png", b"no image")
    wait_for_text(page.locator("label[for=image]"), "cannot be shown")
    request_video(page, "the light wanders")
    wait_for_text(page.locator("#image-error"), "no image that the service can read")
    page.get_by_role("button", name="Remove start image").click()
    assert page.locator("#image-error").count() == 0


def test_one_frame_is_shown_as_an_image(open_studio: Open) -> None:
    page = open_studio()
    page.get_by_label("Length, slider").fill("0")
    wait_for_text(page.locator("#length-hint"), "an image")
    page.get_by_label("Unit").select_option("frames")
    request_video(page, "a red cross", Steps="3")
    wait_until_finished(page)
    image = page.locator("#screen").get_by_alt_text("a red cross")
    assert until(page, lambda: image.is_visible() and image.evaluate("image => image.naturalWidth")) == 96
    assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    assert not page.locator("#stage").get_by_role("button", name="Extend").is_visible()


def frames_of(video: Path | BytesIO) -> dict[float, Any]:
    """The frames of a file as RGB arrays [H, W, 3], by their times in seconds."""
    with av.open(str(video) if isinstance(video, Path) else video) as container:
        return {frame.time: frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)}


def xmp_of(path: Path) -> bytes | None:
    """The XMP of an exported file."""
    data = path.read_bytes()
    return read_webm_xmp(BytesIO(data)) if path.suffix == ".webm" else read_image_marks(data, "image/gif")[0]


@pytest.mark.parametrize("format", ["GIF", "WebM"])
def test_a_video_is_saved_in_another_format(
    open_studio: Open, api: httpx.Client, finished: str, tmp_path: Path, format: str
) -> None:
    page = open_studio(f"/#{finished}")
    page.get_by_text("More", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download as {format}").click()
    assert download.value.suggested_filename == f"{finished}.{format.lower()}"
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    mp4 = api.get(f"/v1/videos/{finished}/content").content
    original, saved = frames_of(BytesIO(mp4)), frames_of(path)
    assert list(saved) == pytest.approx(list(original), abs=0.006)  # a GIF counts hundredths of a second
    for frame, expected in zip(saved.values(), original.values(), strict=True):
        assert frame.shape == expected.shape
        assert abs(frame - expected).mean() < MAX_DIFFERENCE
    xmp, _, _ = read_mp4_marks(BytesIO(mp4))
    assert xmp_property(xmp or b"", SOURCE_TYPE) == TRAINED_MEDIA
    assert xmp_of(path) == xmp
    check = api.post("/v1/content_provenance_checks", files={"file": path.read_bytes()}).raise_for_status().json()
    statuses = {result["type"]: result["status"] for result in check["results"]}
    assert statuses == {"c2pa": "absent", "xmp": "untrusted", "aigc": "absent", "known_digest": "absent"}
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(1e6, abs=1e4)  # microseconds


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


def test_a_reload_keeps_the_video_and_without_events_the_page_polls(open_studio: Open) -> None:
    page = open_studio()
    page.route("**/events", lambda route: route.abort())
    request_video(page, "a yellow circle", Steps="24", Length="1")
    video_id = id_of(page)
    page.reload()
    wait_until_finished(page)
    assert played_duration_s(page) == 1.0
    assert id_of(page) == video_id


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
    wait_until_finished(page)


def test_a_shot_of_a_film_plays_from_its_first_frame_and_says_if_it_was_reused(
    open_studio: Open, api: httpx.Client, finished: str
) -> None:
    shot = {"status": "completed", "num_frames": 4, "windows": 1, "windows_reused": 0}
    shots = [shot | {"index": 0, "first_frame": 0, "windows_reused": 1}, shot | {"index": 1, "first_frame": 4}]
    film = api.get(f"/v1/videos/{finished}").json() | {"prompt": "a square\na circle", "shots": shots}
    film |= {"windows_made": 1, "windows_reused": 1}
    page = open_studio()
    page.route(f"**/v1/videos/{finished}", lambda route: route.fulfill(json=film))
    page.evaluate(f"location.hash = '{finished}'")
    played_duration_s(page)
    page.locator("#screen video").evaluate("video => { video.pause(); video.currentTime = 0; }")
    page.get_by_role("button", name="Shot 2: a circle").click()
    assert page.locator("#screen video").evaluate("video => video.currentTime") == 0.5
    assert page.get_by_role("button", name="Shot 1: a square. Reused from an earlier video.").count() == 1
    wait_for_text(page.locator("#facts"), "Windows1 generated, 1 reused")
    assert violations(page) == []


def test_a_film_is_remixed_and_only_its_changed_shot_is_made(open_studio: Open, api: httpx.Client) -> None:
    page = open_studio()
    texts = ["a red circle moves to the right", "a blue square stands still", "a green cross on black"]
    open_film(page, *texts)
    page.locator(".film").get_by_label("Unit").select_option("num_frames")
    for number in (1, 2, 3):
        shot(page, number).get_by_label("Length in frames").fill("8")
    shot(page, 3).get_by_label("Begins with").select_option("0")
    page.locator(".advanced").last.evaluate("details => (details.open = true)")
    page.get_by_label("Steps", exact=True).fill("3")
    page.get_by_role("button", name="Generate film").click()
    first = id_of(page)
    wait_until_finished(page)
    page.locator("#actions").get_by_role("button", name="Remix").click()
    until(page, lambda: page.locator("#seed").input_value())  # the settings of the first film are in the form
    shot(page, 2).get_by_label("Prompt", exact=True).fill("a white square stands still")
    page.get_by_role("button", name="Generate film").click()
    until(page, lambda: id_of(page) not in ("", first))
    wait_for_text(page.locator("#facts"), "Windows1 generated, 2 reused")
    records = [api.get(f"/v1/videos/{video_id}").json() for video_id in (first, id_of(page))]
    reused = [[each["windows_reused"] for each in record["shots"]] for record in records]
    assert reused == [[0, 0, 0], [1, 0, 1]]  # the third shot begins with a cut
    assert [(record["windows_made"], record["windows_reused"]) for record in records] == [(3, 0), (1, 2)]
    assert records[0]["seed"] == records[1]["seed"]
    names = [f"Shot 1: {texts[0]}. Reused", "Shot 2: a white square stands still", f"Shot 3: {texts[2]}. Reused"]
    line = page.get_by_role("navigation", name="Timeline").get_by_role("button")
    labels = [button.get_attribute("aria-label") for button in line.all()]
    assert [label.removesuffix(" from an earlier video.") for label in labels] == names


def test_a_finished_video_is_remixed_extended_and_deleted(open_studio: Open, api: httpx.Client, finished: str) -> None:
    page = open_studio(f"/#{finished}")
    page.get_by_label("Prompt", exact=True).fill("my draft")
    page.locator("#actions").get_by_role("button", name="Remix").click()
    assert page.get_by_label("Prompt", exact=True).input_value() == "a blue square stands still"
    assert page.locator(".origin img").is_visible() or until(page, page.locator(".origin img").is_visible)
    assert not page.get_by_label("Seed").is_visible()
    request_video(page, "a red square stands still")
    remix = until(page, lambda: id_of(page) != finished and id_of(page))
    wait_until_finished(page)
    assert api.get(f"/v1/videos/{remix}").json()["remixed_from_video_id"] == finished
    assert page.get_by_label("Prompt", exact=True).input_value() == "my draft"

    page.locator("#actions").get_by_role("button", name="Extend").click()
    page.get_by_label("Unit").select_option("frames")
    page.get_by_label("Length", exact=True).fill("8")
    page.get_by_role("button", name="Extend video").click()
    longer = until(page, lambda: id_of(page) != remix and id_of(page))
    wait_until_finished(page)
    wait_for_text(page.locator("#facts"), "16 frames")
    assert api.get(f"/v1/videos/{longer}").json()["source_video_id"] == remix
    parts = page.get_by_role("navigation", name="Timeline").get_by_role("link")
    assert [part.get_attribute("href") for part in parts.all()] == [f"#{remix}", f"#{longer}"]

    parts.first.click()
    page.get_by_role("button", name="Continue from part 1").click()
    assert page.get_by_label("Prompt", exact=True).input_value() == "a red square stands still"
    page.get_by_role("button", name="Remove part 2").click()
    wait_for_text(page.locator(".toast"), "Video deleted")
    page.locator(".toast.open").hover()  # it stays under the pointer
    until(page, lambda: page.locator(f"#gallery a[href='#{longer}']").count() == 0)
    page.get_by_role("button", name="Undo").click()
    until(page, lambda: page.locator(f"#gallery a[href='#{longer}']").count() == 1 and parts.count() == 2)
    parts.last.click()
    page.get_by_role("button", name="Remove part 2").click()
    page.locator(".toast.open").hover()
    until(page, lambda: id_of(page) == remix)
    assert api.get(f"/v1/videos/{longer}").status_code == 200  # while it can be undone
    page.get_by_role("button", name="Close").click()
    until(page, lambda: api.get(f"/v1/videos/{longer}").status_code == 404)


def test_an_unknown_video_is_shown_as_missing(open_studio: Open) -> None:
    page = open_studio("/#video_of_yesterday")
    wait_for_text(page.locator("#status"), "does not exist")
    assert page.evaluate("location.hash") == ""


def test_after_an_interruption_the_page_continues(open_studio: Open, finished: str) -> None:
    page = open_studio()
    page.route("**/v1/videos/**", lambda route: route.abort())
    page.evaluate(f"location.hash = '{finished}'")
    wait_for_text(page.locator("#detail"), "The service does not respond")
    page.unroute("**/v1/videos/**")
    wait_until_finished(page)
    assert page.locator("#detail").inner_text() == ""


def test_strips_of_examples_are_pictures_of_eight_frames() -> None:
    for path in (Path(__file__).parents[2] / "service" / "studio" / "examples").glob("*.webp"):
        with Image.open(path) as strip:
            assert strip.width == 8 * strip.height
