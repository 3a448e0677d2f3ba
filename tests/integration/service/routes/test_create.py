"""A video is created from JSON or a form, in every shape that clients send; the response is a durable record."""

import io
import json
import re
from base64 import b64encode
from collections.abc import Callable

import httpx
import pytest
from PIL import Image

from jobs.errors import StorageFull, StorageUnavailable
from jobs.model.job import Job
from jobs.model.states import State
from jobs.storage.local import LocalStorage
from tests.job_store import JobStore

OPENAI_KEYS = {
    "id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at", "prompt", "size",
    "seconds", "remixed_from_video_id", "error",
}  # fmt: skip
SECRET = "whsec_" + b64encode(b"0123456789abcdef01234567").decode()


def png(size: tuple[int, int] = (32, 16), color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def test_the_shortest_request_is_a_prompt(api: httpx.Client, store: JobStore) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a red fox"})
    assert answer.status_code == 200
    video = answer.json()
    assert set(video) >= OPENAI_KEYS
    assert (video["object"], video["status"], video["progress"], video["prompt"]) == ("video", "queued", 0, "a red fox")
    assert answer.url.join(answer.headers["location"]).path == f"/v1/videos/{video['id']}"
    assert store.get(video["id"]).state is State.QUEUED
    assert store.queue_depth("easyanimate-v3-tiny") == 1


def test_defaults_come_from_the_card_and_the_seed_is_returned(api: httpx.Client) -> None:
    video = api.post("/v1/videos", json={"prompt": "a red fox"}).json()
    assert (video["size"], video["num_frames"], video["fps"], video["seconds"]) == ("128x128", 16, 24, "0.6667")
    assert (video["num_inference_steps"], video["guidance_scale"], video["scheduler"]) == (10, 4.0, "euler")


def test_a_request_without_a_seed_gets_one_of_2_to_the_32_at_random(api: httpx.Client) -> None:
    body = {"prompt": "a red fox", "num_frames": 8, "size": "64x64"}
    seeds = [api.post("/v1/videos", json=body).json()["seed"] for _ in range(32)]
    assert len(set(seeds)) == 32
    assert 0 <= min(seeds) < 2**31 <= max(seeds) < 2**32  # the halves: a chance of 2**-31 to fail


def test_prefer_respond_async_is_answered_202(api: httpx.Client) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a"}, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")


FULL = {
    "prompt": "a red fox", "model": "easyanimate-v3-tiny", "negative_prompt": "blur", "size": "192x128",
    "num_frames": 24, "fps": 24, "num_inference_steps": 5, "guidance_scale": 3.5, "seed": 2**63 - 1,
    "scheduler": "ddim",
}  # fmt: skip


def check_full(job: Job) -> None:
    request = job.request
    assert (request.width, request.height, request.num_frames, request.fps) == (192, 128, 24, 24)
    assert (request.num_inference_steps, request.guidance_scale, request.seed) == (5, 3.5, 2**63 - 1)
    assert (request.negative_prompt, request.scheduler) == ("blur", "ddim")
    assert request.webhook is not None
    assert request.webhook.url == "https://93.184.216.34/hook"
    assert request.webhook.events == ("video.completed", "video.failed")
    assert request.metadata == {"order": "7", "who": "me"}


WEBHOOK = {"url": "https://93.184.216.34/hook", "events": ["video.completed", "video.failed"], "secret": SECRET}
METADATA = {"order": "7", "who": "me"}
BRACKETS = [
    ("webhook[url]", WEBHOOK["url"]), ("webhook[events][]", "video.completed"), ("webhook[events][]", "video.failed"),
    ("webhook[secret]", SECRET), ("metadata[order]", "7"), ("metadata[who]", "me"),
]  # fmt: skip


def as_form(pairs: list[tuple[str, str]]) -> dict[str, list[tuple[str, tuple[None, bytes]]]]:
    return {"files": [(name, (None, str(value).encode())) for name, value in pairs]}


def test_json_with_everything(api: httpx.Client, stored: Callable[[str], Job]) -> None:
    answer = api.post("/v1/videos", json={**FULL, "webhook": WEBHOOK, "metadata": METADATA})
    check_full(stored(answer.json()["id"]))


def test_json_with_numbers_as_strings_and_objects_as_strings(api: httpx.Client, stored: Callable[[str], Job]) -> None:
    text = {name: str(value) for name, value in FULL.items()}
    body = {**text, "webhook": json.dumps(WEBHOOK), "metadata": json.dumps(METADATA)}
    check_full(stored(api.post("/v1/videos", json=body).json()["id"]))


def test_a_form_with_brackets(api: httpx.Client, stored: Callable[[str], Job]) -> None:
    pairs = [(name, str(value)) for name, value in FULL.items()]
    answer = api.post("/v1/videos", **as_form(pairs + BRACKETS))
    check_full(stored(answer.json()["id"]))


def test_a_form_with_json_in_its_fields(api: httpx.Client, stored: Callable[[str], Job]) -> None:
    pairs = [(name, str(value)) for name, value in FULL.items()]
    pairs += [("webhook", json.dumps(WEBHOOK)), ("metadata", json.dumps(METADATA))]
    check_full(stored(api.post("/v1/videos", **as_form(pairs)).json()["id"]))


def test_width_and_height_replace_size(api: httpx.Client) -> None:
    video = api.post("/v1/videos", json={"prompt": "a", "width": 160, "height": 96}).json()
    assert (video["size"], video["width"], video["height"]) == ("160x96", 160, 96)


def test_null_counts_as_absent(api: httpx.Client) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a", "seed": None, "size": None, "webhook": None, "image": None})
    assert answer.status_code == 200


def test_seconds_become_the_nearest_frames_with_a_warning(api: httpx.Client) -> None:
    video = api.post("/v1/videos", json={"prompt": "a", "seconds": "1.1"}).json()
    assert (video["num_frames"], video["seconds"]) == (24, "1")
    assert re.search(r"seconds: 1\.1 became 24 frames", video["warnings"][0])


def test_seconds_that_fit_need_no_warning(api: httpx.Client) -> None:
    video = api.post("/v1/videos", json={"prompt": "a", "seconds": 1}).json()
    assert (video["num_frames"], video["warnings"]) == (24, [])


@pytest.mark.parametrize("name", ["image", "input_reference"])
def test_an_image_is_accepted_as_a_file_of_any_declared_type(
    api: httpx.Client, stored: Callable[[str], Job], name: str, settings: object
) -> None:
    files = {name: ("upload", png(), "application/octet-stream")}
    job = stored(api.post("/v1/videos", data={"prompt": "a"}, files=files).json()["id"])
    assert job.request.image_key == f"inputs/{job.id}/image.png"


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + b64encode(data).decode()


@pytest.mark.parametrize(
    "field",
    [
        {"image": data_url(png())},
        {"input_reference": data_url(png())},
        {"input_reference": {"image_url": data_url(png())}},
        {"input_reference": json.dumps({"image_url": data_url(png())})},
    ],
    ids=["image", "input_reference", "image_url", "json text"],
)
def test_an_image_is_accepted_as_a_data_url(
    api: httpx.Client, stored: Callable[[str], Job], store: JobStore, tmp_path, field: dict[str, object]
) -> None:
    job = stored(api.post("/v1/videos", json={"prompt": "a", **field}).json()["id"])
    storage = LocalStorage(tmp_path / "objects", public_url="", secret=b"")
    assert job.request.image_key is not None
    kept = b"".join(storage.read(job.request.image_key, 0, 10_000))
    with Image.open(io.BytesIO(kept)) as image:
        assert (image.format, image.mode, image.size, image.getpixel((0, 0))) == ("PNG", "RGB", (32, 16), (255, 0, 0))


def test_a_bracketed_image_url_works_in_a_form(api: httpx.Client, stored: Callable[[str], Job]) -> None:
    form = as_form([("prompt", "a"), ("input_reference[image_url]", data_url(png()))])
    assert stored(api.post("/v1/videos", **form).json()["id"]).request.image_key


def test_a_full_queue_is_a_429_with_retry_after(
    settings, start_api, announced, code_of: Callable[[httpx.Response], str]
) -> None:
    url = start_api(settings.model_copy(update={"max_queued_jobs": 1}))
    assert httpx.post(f"{url}/v1/videos", json={"prompt": "a"}, timeout=60).status_code == 200
    answer = httpx.post(f"{url}/v1/videos", json={"prompt": "a"}, timeout=60)
    assert (answer.status_code, code_of(answer)) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) <= 60


def test_without_any_model_the_status_is_503(settings, start_api, code_of: Callable[[httpx.Response], str]) -> None:
    answer = httpx.post(start_api(settings) + "/v1/videos", json={"prompt": "a"}, timeout=60)
    assert (answer.status_code, code_of(answer)) == (503, "model_unavailable")


@pytest.mark.parametrize(("error", "is_cleaned"), [(StorageUnavailable, False), (StorageFull, True)])
def test_a_storage_that_does_not_answer_is_not_requested_again_before_the_refusal(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, error: type[StorageUnavailable], is_cleaned: bool
) -> None:
    deleted: list[str] = []

    def put_bytes(*_: object) -> None:
        raise error("read timed out")

    monkeypatch.setattr(LocalStorage, "put_bytes", put_bytes)
    monkeypatch.setattr(LocalStorage, "delete_prefix", lambda _, prefix: deleted.append(prefix))
    answer = api.post("/v1/videos", json={"prompt": "a", "image": data_url(png())})
    assert (answer.status_code, bool(deleted)) == (503, is_cleaned)


def test_unwritable_storage_is_a_503_and_creates_no_job(
    api: httpx.Client, store: JobStore, tmp_path, code_of: Callable[[httpx.Response], str]
) -> None:
    (tmp_path / "objects").write_text("a file where a folder should be")
    answer = api.post("/v1/videos", json={"prompt": "a", "image": data_url(png())})
    assert (answer.status_code, code_of(answer)) == (503, "storage_unavailable")
    assert store.newest("local", 10) == []
