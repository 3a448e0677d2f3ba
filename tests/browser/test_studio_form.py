"""The form of the studio: drafts, examples, LoRAs, frames of videos, masks, and requests as code."""

import json
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest
from PIL import Image

from cli.stack.stack import LocalStack
from jobs.storage.paths import input_key
from tests.browser.studio_page import (
    Open,
    fill,
    id_of,
    png,
    request_video,
    until,
    violations,
    wait_for_text,
    wait_until_finished,
)

pytestmark = pytest.mark.slow

WORDS = {"shapes": ["circle", "square"], "colours": ["red", "blue"], "other": ["a", "large", "moving to the right"]}
EXAMPLE = {"prompt": "a large red circle moving to the right", "seed": 3}


def change_models(page: Any, **changes: Any) -> None:
    """Adds values to the card of each model that the page reads, as a newer model has them."""

    def answer(route: Any) -> None:
        response = route.fetch()
        models = response.json()
        for model in models["data"]:
            model["card"] |= changes
            model |= {name: value for name, value in changes.items() if name == "loras"}
        route.fulfill(response=response, json=models)

    page.route("**/v1/models", answer)
    page.reload()


def sent_json(page: Any, press: Any) -> dict[str, Any]:
    """The body of the request that `press` sends, which is not answered."""
    page.route("**/v1/videos", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    with page.expect_request(lambda request: request.method == "POST") as request:
        press()
    body: dict[str, Any] = request.value.post_data_json
    return body


def test_an_example_fills_the_form(open_studio: Open) -> None:
    page = open_studio()
    examples = page.get_by_role("list", name="Examples").get_by_role("button")
    until(page, lambda: examples.count() == 6)
    image = examples.first.locator("img")
    assert until(page, lambda: image.evaluate("image => image.naturalWidth / image.naturalHeight")) == 8
    examples.first.click()
    prompt = page.get_by_label("Prompt", exact=True)
    assert prompt.input_value() in examples.first.inner_text()
    assert prompt.evaluate("one => one === document.activeElement")


def test_the_examples_and_words_of_a_card_are_used(open_studio: Open) -> None:
    page = open_studio()
    change_models(page, examples=[EXAMPLE], words=WORDS)
    page.get_by_role("button", name=f"Use the example: {EXAMPLE['prompt']}").click()
    assert page.get_by_label("Seed", exact=True).input_value() == "3"
    advice = page.locator(".advice")
    assert advice.inner_text() == ""
    fill(page, Prompt="a red ball rolls")
    assert "does not know: ball, rolls" in advice.inner_text()
    fill(page, Prompt="红色的球")
    assert "reads English" in advice.inner_text()
    page.get_by_text("Words that this model knows").click()
    fill(page, Prompt="a red")
    page.get_by_role("button", name="circle", exact=True).click()
    assert page.get_by_label("Prompt", exact=True).input_value() == "a red circle"


def test_the_tokens_of_a_prompt_are_shown(open_studio: Open) -> None:
    page = open_studio()
    fill(page, Prompt="a red circle")
    wait_for_text(page.locator(".tokens"), "^4 of 120 tokens$")
    fill(page, Prompt="a red circle " * 40)
    wait_for_text(page.locator(".tokens.warn"), "^121 tokens: the model reads the first 120.$")
    assert violations(page) == []
    fill(page, Prompt="")
    assert page.locator(".tokens").count() == 0


def test_loras_are_chosen_with_a_strength(open_studio: Open) -> None:
    page = open_studio()
    change_models(page, loras=[{"name": "outlined", "size_bytes": 1}, {"name": "soft", "size_bytes": 1}])
    page.get_by_label("outlined", exact=True).check()
    page.get_by_label("soft", exact=True).check()
    page.get_by_label("Strength of outlined").fill("0.8")
    page.get_by_label("soft", exact=True).uncheck()
    fill(page, Prompt="a circle")
    body = sent_json(page, page.get_by_role("button", name="Generate video").click)
    assert body["loras"] == [{"name": "outlined", "scale": 0.8}]
    assert "quality" not in body


def test_the_lossy_quality_is_chosen_and_used_again(open_studio: Open, api: httpx.Client) -> None:
    settings = {"prompt": "a circle", "num_frames": 1, "num_inference_steps": 2, "quality": "fast", "smooth": False}
    record = api.post("/v1/videos", json={**settings, "seed": 3}).json()
    page = open_studio(f"/#{record['id']}")
    wait_until_finished(page)
    wait_for_text(page.locator("#facts"), "fast, lossy")
    page.get_by_text("More", exact=True).click()
    body = sent_json(page, page.get_by_role("button", name="Four variations").click)
    assert (body["quality"], body["smooth"], body["n"]) == ("fast", False, 4)
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Use these settings").click()
    page.get_by_text("Advanced", exact=True).click()
    assert page.get_by_label("Quality", exact=True).input_value() == "fast"
    assert sent_json(page, page.get_by_role("button", name="Generate video").click)["quality"] == "fast"


def test_drafts_survive_other_modes_and_a_reload(open_studio: Open, finished: str) -> None:
    page = open_studio()
    fill(page, Prompt="my draft", Seed="5", Steps="9")
    page.get_by_role("button", name="Extend a blue square stands still").first.click()
    fill(page, Prompt="and further")
    page.get_by_role("button", name="Back", exact=True).click()
    assert page.get_by_label("Prompt", exact=True).input_value() == "my draft"
    page.reload()
    values = [page.get_by_label(label, exact=True) for label in ("Prompt", "Seed", "Steps")]
    until(page, lambda: values[0].count())
    page.locator(".advanced").evaluate("details => (details.open = true)")
    assert [value.input_value() for value in values] == ["my draft", "5", "9"]


def test_a_cleared_or_replaced_form_is_restored(open_studio: Open) -> None:
    page = open_studio()
    chosen = {"name": "start.png", "mimeType": "image/png", "buffer": png("orange")}
    page.get_by_label("Start image", exact=True).set_input_files(chosen)
    fill(page, Prompt="my draft", Steps="9")
    prompt, image = page.get_by_label("Prompt", exact=True), page.get_by_alt_text("start.png")
    page.get_by_role("button", name="Clear the form").click()
    assert (prompt.input_value(), image.count()) == ("", 0)
    prompt.press("Control+z")
    assert (prompt.input_value(), image.count()) == ("my draft", 1)
    page.get_by_role("list", name="Examples").get_by_role("button").first.click()
    assert prompt.input_value() != "my draft"
    page.get_by_role("button", name="Undo").click()
    assert prompt.input_value() == "my draft"
    assert page.get_by_label("Steps", exact=True).input_value() == "9"
    assert not page.get_by_role("button", name="Undo").count()


def test_sizes_and_lengths_are_chosen_by_chips_and_a_slider(open_studio: Open) -> None:
    page = open_studio()
    page.get_by_role("button", name="16:9").click()
    assert page.get_by_role("button", name="16:9").get_attribute("aria-pressed") == "true"
    width, height = map(int, page.get_by_label("Size", exact=True).input_value().split("x"))
    assert width / height == pytest.approx(16 / 9, rel=0.1)
    page.get_by_label("Length, slider").fill("40")
    assert "40 frames, 5 s, 2 windows" in page.locator("#length-hint").inner_text()
    assert page.locator(".marks i").count() == 8
    fill(page, Prompt="a circle")
    body = sent_json(page, page.get_by_role("button", name="Generate video").click)
    assert (body["size"], body["seconds"]) == (f"{width}x{height}", "5")


def test_a_frame_of_a_finished_video_becomes_the_start_image(
    open_studio: Open, stack: LocalStack, api: httpx.Client, finished: str
) -> None:
    page = open_studio(f"/#{finished}")
    page.get_by_role("button", name="From a video: Start image").click()
    picker = page.get_by_role("dialog", name="Pick a frame")
    picker.get_by_role("button", name="a blue square stands still").first.click()
    picker.get_by_role("slider").fill("2")
    wait_for_text(picker, "Frame 3 of 8")
    picker.get_by_role("button", name="Use this frame").click()
    until(page, lambda: page.locator("label[for=image] img").count())
    request_video(page, "a blue square stands still", Steps="3", Length="1")
    started = until(page, lambda: id_of(page) != finished and id_of(page))
    wait_until_finished(page)
    assert api.get(f"/v1/videos/{started}").json()["mode"] == "image_to_video"
    image = Image.open(stack.plan.data_dir / "objects" / input_key(started, "image.png"))
    assert image.size == (96, 96)
    assert len(image.convert("RGB").getcolors(9216) or []) > 10  # pixels of a frame, not an empty canvas


def test_a_painted_mask_changes_one_half_of_a_video(
    open_studio: Open, stack: LocalStack, api: httpx.Client, finished: str
) -> None:
    page = open_studio(f"/#{finished}")
    until(page, lambda: page.locator("#screen video").count())
    page.locator("#actions").get_by_role("button", name="Change").click()
    page.get_by_role("button", name="Paint a mask").click()
    painter = page.get_by_role("dialog", name="Paint what changes")
    painter.get_by_role("button", name="All").click()
    painter.get_by_role("button", name="Undo").click()
    painter.get_by_role("button", name="Left half").click()
    painter.get_by_role("button", name="Invert").click()
    canvas = painter.locator("canvas").bounding_box()
    page.mouse.move(canvas["x"] + 5, canvas["y"] + 5)
    page.mouse.down()
    page.mouse.move(canvas["x"] + 15, canvas["y"] + 5)
    page.mouse.up()
    painter.get_by_role("button", name="Apply").click()
    request_video(page, "a red square stands still", Steps="3")
    changed = until(page, lambda: id_of(page) != finished and id_of(page))
    wait_until_finished(page)
    assert api.get(f"/v1/videos/{changed}").json()["mode"] == "video_to_video"
    mask = Image.open(stack.plan.data_dir / "objects" / input_key(changed, "mask.png")).convert("L")
    assert [mask.getpixel(place) for place in ((90, 50), (20, 80), (2, 2))] == [255, 0, 255]


def test_the_settings_of_a_video_are_used_again(open_studio: Open, api: httpx.Client, finished: str) -> None:
    page = open_studio(f"/#{finished}")
    seed = str(api.get(f"/v1/videos/{finished}").json()["seed"])
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Same seed").click()
    assert page.get_by_label("Seed", exact=True).input_value() == seed
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Use these settings").click()
    assert page.get_by_label("Seed", exact=True).input_value() == ""
    assert page.get_by_label("Length", exact=True).input_value() == "8"
    wait_for_text(page.locator(".submit"), "The settings are in the form")


def test_a_request_is_copied_as_code_that_works(open_studio: Open, key: str, api: httpx.Client) -> None:
    page = open_studio()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fill(page, Prompt='it\'s a "circle"', Seed="4", Steps="3", Length="1")
    page.get_by_role("button", name="Copy as code").click()
    dialog, codes = page.get_by_role("dialog"), {}
    for name in ("curl", "Python", "Node"):
        dialog.get_by_role("button", name=name).click()
        dialog.get_by_role("button", name="Copy", exact=True).click()
        wait_for_text(dialog, "Copied")
        codes[name] = page.evaluate("navigator.clipboard.readText()")
    commands = {"curl": ["bash", "-c"], "Python": [sys.executable, "-c"], "Node": ["node", "--input-type=module", "-e"]}
    environment = {**os.environ, "EASYANIMATE_API_KEY": key}
    for name, command in commands.items():
        done = subprocess.run([*command, codes[name]], env=environment, capture_output=True, text=True, timeout=240)
        assert "video_" in done.stdout, f"{name}: {done.stderr}"
        text = done.stdout
        video_id = json.loads(text)["id"] if name == "curl" else text.split()[0]
        record = api.get(f"/v1/videos/{video_id}").json()
        assert (record["prompt"], record["seed"], record["num_frames"]) == ('it\'s a "circle"', 4, 8)


def test_files_in_a_request_are_copied_as_code_that_works(open_studio: Open, key: str, tmp_path: Any) -> None:
    page = open_studio()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chosen = {"name": "start.png", "mimeType": "image/png", "buffer": png("orange")}
    page.get_by_label("Start image", exact=True).set_input_files(chosen)
    fill(page, Prompt="a circle", Steps="3", Length="1")
    page.get_by_role("button", name="Copy as code").click()
    page.get_by_role("dialog").get_by_role("button", name="Copy", exact=True).click()
    wait_for_text(page.get_by_role("dialog"), "Copied")
    (tmp_path / "start.png").write_bytes(png("orange"))
    code, environment = page.evaluate("navigator.clipboard.readText()"), {**os.environ, "EASYANIMATE_API_KEY": key}
    done = subprocess.run(["bash", "-c", code], env=environment, cwd=tmp_path, capture_output=True, timeout=240)
    assert json.loads(done.stdout)["mode"] == "image_to_video"
