"""The studio in browsers that forbid something, behind proxies that answer themselves, and with unusual input."""

from typing import Any

import httpx
import pytest

from tests.browser.studio_page import Open, open_settings, request_video, until, wait_for_text

pytestmark = pytest.mark.slow

FORBID_STORAGE = """for (const name of ["sessionStorage", "localStorage"])
    Object.defineProperty(window, name, { get() { throw new DOMException("forbidden", "SecurityError"); } });"""
FORBID_CLIPBOARD = """(canSelect) => {
    Object.defineProperty(navigator, "clipboard", { value: undefined });
    if (!canSelect) document.execCommand = () => false;
}"""
FORM = "await import('./studio/state/form.js')"


@pytest.mark.parametrize(("can_select", "answer"), [(True, "Copied"), (False, "does not allow to copy")])
def test_without_a_clipboard_a_selection_is_copied_or_the_refusal_is_said(
    open_studio: Open, can_select: bool, answer: str
) -> None:
    page = open_studio()
    page.evaluate(FORBID_CLIPBOARD, can_select)
    page.get_by_role("button", name="Copy as code").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Copy", exact=True).click()
    wait_for_text(dialog.get_by_role("status"), answer)
    page.evaluate("import('./studio/state/actions.js').then(({ copyText }) => copyText('the seed 7'))")
    wait_for_text(page.locator("#detail"), "Copied" if can_select else "copy.*the seed 7")


def test_without_storage_the_page_works_until_it_is_left(open_studio: Open, key: str) -> None:
    page = open_studio(key=None)
    page.add_init_script(FORBID_STORAGE)
    page.reload()
    login = page.get_by_role("dialog")
    login.get_by_label("API key", exact=True).fill(key)
    login.get_by_role("button", name="Continue").click()
    until(page, lambda: page.locator("#size").count())
    page.get_by_label("Prompt", exact=True).fill("a ball")
    assert page.get_by_label("Prompt", exact=True).input_value() == "a ball"


def test_an_answer_of_a_proxy_is_no_answer_and_the_request_is_sent_again(open_studio: Open) -> None:
    page = open_studio()
    keys: list[str] = []

    def answer(route: Any) -> None:
        if route.request.method != "POST":
            return route.continue_()
        keys.append(route.request.headers["idempotency-key"])
        return route.fulfill(status=502, body="<h1>Bad Gateway</h1>") if len(keys) == 1 else route.continue_()

    page.route("**/v1/videos", answer)
    request_video(page, "a red circle", Steps="2", Length="1")
    until(page, lambda: "#video_" in page.url)
    assert (len(keys), len(set(keys))) == (2, 1)


@pytest.mark.parametrize(
    ("status", "text"), [(413, "too large for a server on the way"), (404, "answers with HTTP 404")]
)
def test_a_refusal_of_a_proxy_is_a_sentence(open_studio: Open, status: int, text: str) -> None:
    page = open_studio()
    page.route("**/v1/videos", lambda route: route.fulfill(status=status, body="<h1>no</h1>"))
    request_video(page, "a red circle")
    wait_for_text(page.locator("#trouble"), text)


def test_a_page_that_was_opened_too_early_shows_the_models_later(open_studio: Open) -> None:
    page = open_studio()
    calls: list[str] = []

    def answer(route: Any) -> None:
        calls.append(route.request.url)
        if len(calls) == 1:
            route.abort()
        elif len(calls) == 2:
            route.fulfill(json={"data": []})
        else:
            route.continue_()

    page.route("**/v1/models", answer)
    page.reload()
    wait_for_text(page.locator("#trouble"), "does not respond")
    wait_for_text(page.locator(".fields"), "No model is available")
    until(page, lambda: page.locator("#size").count())
    assert page.locator("#trouble").count() == 0


def test_a_browser_without_notifications_of_pages_shows_the_end(open_studio: Open, finished: str) -> None:
    page = open_studio()
    error = page.evaluate(
        """async (id) => {
        const refuse = () => { throw new TypeError("Illegal constructor"); };
        window.Notification = class { static permission = "granted"; constructor() { refuse(); } };
        Object.defineProperty(document, "hidden", { get: () => true });
        (await import("./studio/state/settings.js")).choose({ notify: true });
        const { stage } = await import("./studio/state/stage.js");
        const record = await (await import("./studio/api/videos.js")).readVideo(id);
        stage.set({ ids: [id], records: { [id]: { ...record, state: "running" } } });
        try { stage.set({ records: { [id]: record } }); } catch (thrown) { return String(thrown); }
        return null;
    }""",
        finished,
    )
    assert error is None
    wait_for_text(page.locator("#status"), "Finished")


def test_each_video_that_is_remixed_has_a_draft_of_its_own(open_studio: Open) -> None:
    page = open_studio()
    shown = page.evaluate(f"""async () => {{
        const {{ setMode, edit, form }} = {FORM};
        const first = {{ id: "video_1", prompt: "one" }}, second = {{ id: "video_2", prompt: "two" }};
        const show = (source) => (setMode("remix", source), form.get().values.prompt);
        show(first);
        edit({{ prompt: "typed" }});
        return [show(second), show(first)];
    }}""")
    assert shown == ["two", "typed"]


def test_the_video_to_change_and_its_mask_can_be_restored(open_studio: Open, finished: str) -> None:
    page = open_studio(f"/#{finished}")
    page.get_by_role("button", name="Change", exact=True).wait_for()
    page.evaluate(f"""async () => {{
        const {{ setMode, attach }} = {FORM};
        setMode("edit");
        attach("video", new File(["v"], "mine.mp4", {{ type: "video/mp4" }}));
        attach("mask", new File(["m"], "mask.png", {{ type: "image/png" }}));
    }}""")
    page.get_by_role("button", name="Change", exact=True).click()
    assert page.get_by_role("button", name="Change the mask").count() == 0
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Change the mask").wait_for()


def test_a_seed_beyond_the_numbers_of_javascript_is_exact(open_studio: Open, api: httpx.Client) -> None:
    seed = 2**60 + 1
    fields = {"prompt": "a red circle", "num_frames": 8, "num_inference_steps": 2, "seed": seed}
    video_id = api.post("/v1/videos", json=fields).raise_for_status().json()["id"]
    page = open_studio(f"/#{video_id}")
    wait_for_text(page.locator("#status"), "Finished")
    assert str(seed) in page.locator("#facts").inner_text()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Same seed").click()
    page.get_by_label("Prompt", exact=True).press("Enter")
    again = until(page, lambda: video_id not in page.url and page.url.partition("#")[2])
    assert api.get(f"/v1/videos/{again}").json()["seed"] == seed


def test_a_file_of_another_kind_is_refused_in_words(open_studio: Open) -> None:
    page = open_studio()
    page.get_by_role("button", name="Use the example").first.wait_for()  # the page has started
    page.evaluate("""import("./studio/views/form/files.js").then(({ receiveFiles }) =>
        receiveFiles([new File(["%PDF"], "a.pdf", { type: "application/pdf" })]))""")
    wait_for_text(page.locator("#trouble"), "neither an image nor a video")


def test_dialogs_say_that_a_video_cannot_be_read(open_studio: Open, finished: str) -> None:
    page = open_studio(f"/#{finished}")
    page.route("**/content?variant=video", lambda route: route.abort())
    page.get_by_role("button", name="From a video: Start image").click()
    picker = page.get_by_role("dialog", name="Pick a frame")
    picker.get_by_role("button", name="a blue square stands still").first.click()
    wait_for_text(picker.get_by_role("alert"), "cannot be shown")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_role("button", name="Paint a mask").click()
    wait_for_text(page.get_by_role("dialog").get_by_role("alert"), "cannot be shown")
    page.keyboard.press("Escape")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Download as GIF").click()
    wait_for_text(page.locator("#detail"), "does not respond")


def test_an_older_running_video_of_the_gallery_is_read_again(open_studio: Open) -> None:
    page = open_studio()
    states = page.evaluate("""async () => {
        const { gallery, refreshGallery } = await import("./studio/state/gallery.js");
        const plain = { prompt: "", width: 96, height: 96 };
        const one = (n, state = "completed") => ({ id: `video_${n}`, created_at: 100 - n, state, ...plain });
        const pages = { first: [one(1), one(2)], video_2: [one(3)] };
        window.fetch = async (url) => {
            const after = /after=(\\w+)/.exec(url)?.[1];
            return Response.json({ data: pages[after ?? "first"], has_more: !after });
        };
        gallery.set({ list: [one(1), one(2), one(3, "running")], hasMore: false });
        await refreshGallery();
        return gallery.get().list.map(({ state }) => state);
    }""")
    assert states == ["completed"] * 3


def test_the_settings_of_one_tab_reach_the_others(open_studio: Open) -> None:
    page = open_studio()
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("#size").wait_for()
    open_settings(page).get_by_label("Theme").select_option("dark")
    page.get_by_label("Language").select_option("zh")
    until(
        page,
        lambda: (
            other.evaluate("[document.documentElement.dataset.theme, document.documentElement.lang]")
            == ["dark", "zh-CN"]
        ),
    )
    other.evaluate("import('./studio/state/settings.js').then(({ choose }) => choose({ sound: true }))")
    until(page, lambda: '"theme":"dark"' in page.evaluate("localStorage.getItem('studio')"))


def test_a_stored_language_that_the_page_does_not_have_is_english(open_studio: Open) -> None:
    page = open_studio()
    page.evaluate("""localStorage.setItem("studio", '{"language": "fr"}')""")
    page.reload()
    wait_for_text(page.locator("#submit"), "Generate video")


@pytest.mark.parametrize("key", ["repeat: true", "keyCode: 229"])
def test_a_held_key_and_the_end_of_a_composition_send_nothing(open_studio: Open, key: str) -> None:
    page = open_studio()
    page.get_by_label("Prompt", exact=True).fill("一个红色的圆")
    is_busy = page.evaluate(f"""async () => {{
        const event = new KeyboardEvent("keydown", {{ key: "Enter", bubbles: true, cancelable: true, {key} }});
        document.getElementById("prompt").dispatchEvent(event);
        return ({FORM}).form.get().isBusy;
    }}""")
    assert is_busy is False


def test_file_names_with_signs_of_curl_are_quoted(open_studio: Open) -> None:
    page = open_studio()
    code = page.evaluate("""async () => (await import("./studio/state/snippets.js")).snippets({
        path: "v1/videos", fields: { prompt: "a ball", image: new File(["x"], 'a;b".png') } }).curl""")
    assert r"""-F 'image=@"a;b\".png"'""" in code


def test_a_long_time_has_a_larger_unit(open_studio: Open) -> None:
    page = open_studio()
    texts = page.evaluate(
        """import("./studio/text/text.js").then(({ timeText }) => [0.2, 90, 600, 9000].map(timeText))"""
    )
    assert texts == ["1 s", "90 s", "10 min", "2.5 h"]


def test_with_reduced_motion_no_source_video_plays_by_itself(open_studio: Open) -> None:
    page = open_studio(reduced_motion="reduce")
    page.evaluate(f"""async () => {{
        const {{ setMode, attach }} = {FORM};
        setMode("edit");
        attach("video", new File(["v"], "mine.mp4", {{ type: "video/mp4" }}));
    }}""")
    assert page.locator("label[for=video] video").evaluate("video => video.autoplay") is False


def test_a_refused_full_screen_is_said(open_studio: Open) -> None:
    page = open_studio()
    page.evaluate("""async () => {
        Element.prototype.requestFullscreen = () => Promise.reject(new TypeError("Permissions check failed"));
        await (await import("./studio/state/actions.js")).fillScreen("#stage");
    }""")
    wait_for_text(page.locator("#detail"), "does not allow full screen")


def test_the_description_of_a_model_is_in_the_language_of_the_page(open_studio: Open) -> None:
    page = open_studio(locale="zh-CN")
    page.locator("#size").wait_for()
    page.evaluate("""async () => {
        const { models } = await import("./studio/state/models.js"), [model] = models.get().list;
        models.set({ list: [model, { ...model, id: "other" }] });
    }""")
    wait_for_text(page.locator("#model-hint"), "小型模型|小模型")
