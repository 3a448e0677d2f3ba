"""All modes through a real front end: inherited settings, stored inputs and refusals."""

import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from redis import Redis

from jobs.model.job import Job
from jobs.model.model_card import Lora, ModelCard
from jobs.queue.registry import Registry
from jobs.redis.keys import record_key
from jobs.storage.factory import open_storage
from service.schemas.requests.derived import EditVideo, ExtendVideo
from tests.job_store import JobStore

Stored = Callable[[str], Job]
Finish = Callable[[str], bytes]
IGNORE_SORA = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")  # of OpenAI's client
SMALL = {"prompt": "a", "size": "64x64", "num_frames": 16, "num_inference_steps": 4, "seed": 3}


def png(size: tuple[int, int] = (32, 16), color: Any = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"


def half_black() -> bytes:
    image = Image.new("L", (64, 64), 255)
    image.paste(0, (0, 0, 32, 64))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def card(card: ModelCard) -> ModelCard:
    """The small model, with LoRAs."""
    return card.model_copy(update={"loras": tuple(Lora(name=name, size_bytes=1) for name in "abcdefg")})


@pytest.fixture
def done(api: httpx.Client, finish: Finish) -> Callable[..., str]:
    """Creates a completed video and returns its id."""

    def done(**fields: Any) -> str:
        answer = api.post("/v1/videos", json=SMALL | fields)
        assert answer.status_code == 200, answer.text
        finish(answer.json()["id"])
        return str(answer.json()["id"])

    return done


def submit(api: httpx.Client, path: str = "/v1/videos", **fields: Any) -> dict[str, Any]:
    answer = api.post(path, json={"prompt": "b", **fields})
    assert answer.status_code == 200, answer.text
    record: dict[str, Any] = answer.json()
    return record


def content_of(settings: Any, key: str | None) -> bytes:
    assert key is not None
    storage = open_storage(settings)
    return b"".join(storage.read(key, 0, storage.stat(key).size_bytes))


# ---- create


def test_start_and_end_images_are_stored_under_their_own_names(api: httpx.Client, stored: Stored, settings) -> None:
    video = submit(api, image=data_url(png()), last_image=data_url(png(color="blue")))
    request = stored(video["id"]).request
    assert video["mode"] == "image_to_video"
    assert Image.open(io.BytesIO(content_of(settings, request.image_key))).getpixel((0, 0)) == (255, 0, 0)
    assert Image.open(io.BytesIO(content_of(settings, request.last_image_key))).getpixel((0, 0)) == (0, 0, 255)


def test_the_video_has_the_aspect_ratio_of_its_start_image(api: httpx.Client) -> None:
    video = submit(api, image=data_url(png((960, 540))), resize_to_image="true")
    assert video["size"] == "160x96"  # 16:9 at the area of 128x128


@pytest.mark.parametrize(("fields", "num_frames"), [({"num_frames": 1440}, 1440), ({"seconds": "4"}, 96)])
def test_a_video_may_be_longer_than_a_window(api: httpx.Client, fields: dict[str, Any], num_frames: int) -> None:
    video = submit(api, **fields, overlap=2)
    assert (video["num_frames"], video["overlap"], video["warnings"]) == (num_frames, 2, [])


def test_one_frame_is_an_image(api: httpx.Client) -> None:
    assert submit(api, num_frames=1)["mode"] == "text_to_image"


def test_generation_settings_reach_the_request(api: httpx.Client, stored: Stored) -> None:
    fields = {"clip_apply_ratio": 0.25, "smooth": False, "clean_caption": "false", "loras": [{"name": "a", "scale": 1}]}
    request = stored(submit(api, **fields)["id"]).request
    assert (request.clip_apply_ratio, request.smooth, request.clean_caption) == (0.25, False, False)
    assert [(lora.name, lora.scale) for lora in request.loras] == [("a", 1.0)]


@pytest.mark.parametrize(
    ("fields", "quality", "techniques"),
    [({}, "exact", []), ({"quality": "fast"}, "fast", ["guidance_interval", "step_cache"])],
)
def test_a_fast_video_names_its_techniques(
    api: httpx.Client, stored: Stored, fields: dict[str, str], quality: str, techniques: list[str]
) -> None:
    video = submit(api, **fields)
    assert (video["quality"], video["techniques"], stored(video["id"]).request.quality) == (
        quality,
        techniques,
        quality,
    )


@pytest.mark.parametrize(
    "parts",
    [
        [("loras[][name]", "a"), ("loras[][scale]", "0.5"), ("loras[][name]", "b")],
        [("loras", '[{"name": "a", "scale": 0.5}, {"name": "b"}]')],
        [("loras[]", '{"name": "a", "scale": 0.5}'), ("loras[]", '{"name": "b"}')],
    ],
)
def test_loras_come_in_every_shape_of_form(api: httpx.Client, parts: list[tuple[str, str]]) -> None:
    form = [(name, (None, value.encode())) for name, value in [("prompt", "a"), *parts]]
    answer = api.post("/v1/videos", files=form)
    assert answer.json()["loras"] == [{"name": "a", "scale": 0.5}, {"name": "b", "scale": 0.55}]


def test_models_list_their_modes_and_loras(api: httpx.Client) -> None:
    model = api.get("/v1/models/easyanimate-v3-tiny").json()
    assert [lora["name"] for lora in model["loras"]] == list("abcdefg")
    assert "extension" in model["modes"]


# ---- video to video


def test_an_uploaded_video_is_changed(api: httpx.Client, stored: Stored, settings, clip: Callable[..., bytes]) -> None:
    answer = api.post("/v1/videos", data={"prompt": "a"}, files={"video": ("v.mp4", clip(20))})
    video = answer.json()
    assert (video["mode"], video["strength"], video["size"], video["num_frames"]) == (
        "video_to_video",
        0.7,
        "96x64",
        16,
    )
    assert "of 20 frames the first 16" in video["warnings"][0]
    assert content_of(settings, stored(video["id"]).request.video_key) == clip(20)


def test_an_uploaded_video_is_converted_to_the_size_and_rate_of_the_model(
    api: httpx.Client, stored: Stored, clip: Callable[..., bytes]
) -> None:
    video = submit(api, "/v1/videos/edits", video=data_url(clip(30, 100, 70, fps=30), "video/mp4"))
    assert (video["size"], video["num_frames"], stored(video["id"]).request.video_num_frames) == ("96x64", 24, 24)
    assert "100x70 became 96x64" in video["warnings"][0]


def test_the_default_strength_with_a_mask_is_one(api: httpx.Client, clip: Callable[..., bytes]) -> None:
    fields = {"video": data_url(clip(), "video/mp4"), "mask": data_url(half_black())}
    assert submit(api, "/v1/videos/edits", **fields)["strength"] == 1.0


def test_an_edit_of_a_completed_video_inherits_its_settings(api: httpx.Client, done: Callable[..., str]) -> None:
    source = done(
        loras=[{"name": "a"}], scheduler="ddim", webhook={"url": "https://93.184.216.34"}, metadata={"k": "v"}
    )
    video = submit(api, "/v1/videos/edits", video={"id": source}, guidance_scale=2)
    assert (video["scheduler"], video["num_inference_steps"], video["guidance_scale"]) == ("ddim", 4, 2.0)
    assert (video["loras"][0]["name"], video["size"], video["num_frames"]) == ("a", "64x64", 16)
    assert (video["source_video_id"], video["remixed_from_video_id"], video["metadata"]) == (source, None, {})
    assert video["seed"] != 3


def test_the_quality_of_a_source_is_inherited_and_a_draft_of_it_needs_exact(
    api: httpx.Client, done: Callable[..., str]
) -> None:
    source = {"id": done(quality="fast")}
    inherited = submit(api, "/v1/videos/extensions", video=source, num_frames=8)
    assert (inherited["quality"], inherited["techniques"]) == ("fast", ["guidance_interval", "step_cache"])
    assert submit(api, "/v1/videos/extensions", video=source, num_frames=8, quality="exact")["techniques"] == []
    refused = api.post("/v1/videos", json={"prompt": "b", "video": source, "draft": {"steps": 1}})
    assert (refused.status_code, refused.json()["reason"]) == (400, "draft_quality")
    assert 'send quality "exact"' in refused.json()["error"]["message"]
    assert submit(api, video=source, draft={"steps": 1}, quality="exact")["draft"] == {"steps": 1}


def test_the_quality_of_a_newer_release_is_not_inherited(
    api: httpx.Client, done: Callable[..., str], redis: Redis
) -> None:
    source = done()
    request = json.loads(redis.hget(record_key(source), "request")) | {"quality": "turbo"}
    redis.hset(record_key(source), "request", json.dumps(request))
    assert api.get(f"/v1/videos/{source}").json()["quality"] == "turbo"
    refused = api.post("/v1/videos/extensions", json={"prompt": "b", "video": {"id": source}, "num_frames": 8})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "quality")
    assert submit(api, "/v1/videos/extensions", video={"id": source}, num_frames=8, quality="fast")["quality"] == "fast"


# ---- extensions


def test_an_extension_has_the_source_frames_and_the_requested_ones(
    api: httpx.Client, stored: Stored, done: Callable[..., str]
) -> None:
    video = submit(api, "/v1/videos/extensions", video={"id": done()}, num_frames=24)
    request = stored(video["id"]).request
    assert (video["mode"], video["num_frames"], video["seconds"]) == ("extension", 40, "1.667")
    assert (request.continues, request.video_num_frames) == (True, 16)


def test_an_uploaded_video_is_extended_by_seconds(api: httpx.Client, clip: Callable[..., bytes]) -> None:
    form = {"prompt": "a", "seconds": "1"}
    video = api.post("/v1/videos/extensions", data=form, files={"video": ("v", clip(21))}).json()
    assert (video["num_frames"], video["size"], video["source_video_id"]) == (45, "96x64", None)


def test_a_queued_extension_keeps_its_video_when_the_source_is_deleted(
    api: httpx.Client, stored: Stored, settings, done: Callable[..., str]
) -> None:
    source = done()
    content = api.get(f"/v1/videos/{source}/content").content
    video = submit(api, "/v1/videos/extensions", video={"id": source})
    assert api.delete(f"/v1/videos/{source}").status_code == 200
    assert content_of(settings, stored(video["id"]).request.video_key) == content


# ---- remix


def test_a_remix_is_the_same_with_another_prompt(
    api: httpx.Client, stored: Stored, settings, done: Callable[..., str]
) -> None:
    source = done(image=data_url(png()), loras=[{"name": "b"}])
    video = submit(api, f"/v1/videos/{source}/remix")
    old, new = stored(source).request, stored(video["id"]).request
    assert (video["prompt"], video["remixed_from_video_id"]) == ("b", source)
    assert new == old.model_copy(update={"prompt": "b", "image_key": f"inputs/{video['id']}/image.png"})
    assert content_of(settings, new.image_key) == content_of(settings, old.image_key)


def test_a_remix_of_an_extension_continues_the_same_video(
    api: httpx.Client, stored: Stored, finish: Finish, done: Callable[..., str]
) -> None:
    source = done()
    extension = submit(api, "/v1/videos/extensions", video={"id": source})["id"]
    finish(extension)
    api.delete(f"/v1/videos/{source}")
    remix = stored(submit(api, f"/v1/videos/{extension}/remix")["id"])
    assert (remix.request.mode, remix.source) == ("extension", source)


# ---- refusals

FLAT, WHITE, BLACK = data_url(png()), data_url(png(color="white")), data_url(png(color="black"))
MP4 = "<a video>"
CREATE, EDITS, EXTENSIONS = "/v1/videos", "/v1/videos/edits", "/v1/videos/extensions"

UPRIGHT = {"image": FLAT, "resize_to_image": True}

WRONG = [
    # (path, fields beside a good prompt, status, code, param, a word of the message)
    (CREATE, {"last_image": FLAT}, 400, "invalid_request", "last_image", "start image"),
    (CREATE, {"mask": FLAT}, 400, "invalid_request", "mask", "needs a video"),
    (CREATE, {"strength": 0.5}, 400, "invalid_request", "strength", "needs a video"),
    (CREATE, {"image": FLAT, "video": MP4}, 400, "invalid_request", "video", "only one"),
    (CREATE, {"video": MP4, "last_image": FLAT}, 400, "invalid_request", "last_image", "start image"),
    (CREATE, {"image": FLAT, "num_frames": 1}, 400, "invalid_seconds", "num_frames", "8 or more"),
    (CREATE, {"image": FLAT, "seconds": 0.01}, 400, "invalid_seconds", "num_frames", "8 or more"),
    (CREATE, {"image": FLAT, "last_image": data_url(b"x")}, 400, "unsupported_image", "last_image", "PNG"),
    (CREATE, {"image": FLAT, "last_image": 7}, 400, "unsupported_image", "last_image", "file part"),
    (CREATE, {"resize_to_image": True}, 400, "invalid_request", "resize_to_image", "start image"),
    (CREATE, {"resize_to_image": "yes"}, 400, "invalid_request", "resize_to_image", "true or false"),
    (CREATE, {"image": FLAT, "resize_to_image": 1.0}, 400, "invalid_request", "resize_to_image", "true or false"),
    (CREATE, {"image": FLAT, "resize_to_image": 1, "size": "a"}, 400, "invalid_request", "resize_to_image", "true or"),
    (CREATE, {**UPRIGHT, "size": "64x64"}, 400, "invalid_request", "resize_to_image", "leave out"),
    (CREATE, {**UPRIGHT, "width": 64, "height": 64}, 400, "invalid_request", "resize_to_image", "leave out"),
    (CREATE, {"overlap": 0}, 400, "invalid_request", "overlap", "1 or more"),
    (CREATE, {"overlap": 5}, 400, "invalid_request", "overlap", "at most 4"),
    (CREATE, {"overlap": "x"}, 400, "invalid_request", "overlap", "whole"),
    (CREATE, {"num_frames": 1444}, 400, "invalid_seconds", "num_frames", "1440"),
    (CREATE, {"num_frames": 100}, 400, "invalid_seconds", "num_frames", "nearest is 104"),
    (CREATE, {"quality": "best"}, 400, "invalid_request", "quality", "exact"),
    (CREATE, {"clip_apply_ratio": 1.1}, 400, "invalid_request", "clip_apply_ratio", "at most 1"),
    (CREATE, {"smooth": 2}, 400, "invalid_request", "smooth", "true or false"),
    (CREATE, {"clean_caption": "maybe"}, 400, "invalid_request", "clean_caption", "true or false"),
    (CREATE, {"loras": "a"}, 400, "invalid_request", "loras", "object"),
    (CREATE, {"loras": [1]}, 400, "invalid_request", "loras", "object"),
    (CREATE, {"loras": [{"name": "zebra"}]}, 404, "lora_not_found", "loras", "available are a, b"),
    (CREATE, {"loras": [{"name": "../../etc/passwd"}]}, 404, "lora_not_found", "loras", "available are a, b"),
    (CREATE, {"loras": [{"scale": 1}]}, 400, "invalid_request", "loras", "needs a name"),
    (CREATE, {"loras": [{"name": "a", "scale": 2.1}]}, 400, "invalid_request", "loras.scale", "at most 2"),
    (CREATE, {"loras": [{"name": "a", "alpha": 1}]}, 400, "unknown_parameter", "loras.alpha", "there are"),
    (CREATE, {"loras": [{"name": "a"}, {"name": "a"}]}, 400, "invalid_request", "loras", "twice"),
    (CREATE, {"loras": [{"name": name} for name in "abcde"]}, 400, "invalid_request", "loras", "at most 4"),
    (CREATE, {"scheduler": "lcm", "num_inference_steps": 51}, 400, "invalid_request", "scheduler", "one of"),
    (EDITS, {}, 400, "invalid_request", "video", "missing"),
    (EDITS, {"video": MP4, "image": FLAT}, 400, "unknown_parameter", "image", "there are"),
    (EDITS, {"video": MP4, "strength": 0}, 400, "invalid_request", "strength", "above 0"),
    (EDITS, {"video": MP4, "strength": 1.5}, 400, "invalid_request", "strength", "at most 1"),
    (EDITS, {"video": MP4, "strength": 0.05}, 400, "invalid_request", "strength", "at least 0.1"),
    (EDITS, {"video": MP4, "strength": 0.3, "scheduler": "pndm"}, 400, "invalid_request", "strength", "at least 0.4"),
    (EDITS, {"video": MP4, "strength": 1}, 400, "invalid_request", "strength", "nothing of the video"),
    (EDITS, {"video": MP4, "mask": WHITE}, 400, "invalid_request", "strength", "nothing of the video"),
    (EDITS, {"video": MP4, "mask": BLACK}, 400, "invalid_request", "mask", "white"),
    (EDITS, {"video": MP4, "mask": data_url(b"")}, 400, "unsupported_image", "mask", "PNG"),
    (EDITS, {"video": MP4, "num_frames": 24}, 400, "invalid_seconds", "num_frames", "nearest is 16"),
    (EDITS, {"video": MP4, "num_frames": 1}, 400, "invalid_seconds", "num_frames", "nearest is 8"),
    (EDITS, {"video": MP4, "seconds": "-1"}, 400, "invalid_seconds", "seconds", "more than 0"),
    (EDITS, {"video": "ftp://example.com/a.mp4"}, 400, "unsupported_video", "video", "file part"),
    (EDITS, {"video": "https://10.0.0.1/a.mp4"}, 400, "url_not_allowed", "video", "public https"),
    (EDITS, {"video": {"video_url": "https://[::1]/a"}}, 400, "url_not_allowed", "video.video_url", "public https"),
    (EDITS, {"video": {"file_id": "file-1"}}, 404, "file_not_found", "video.file_id", "POST /v1/files"),
    (EDITS, {"video": "file-1"}, 404, "file_not_found", "video", "POST /v1/files"),
    (EDITS, {"video": "/etc/passwd"}, 400, "unsupported_video", "video", "file part"),
    (EDITS, {"video": 7}, 400, "unsupported_video", "video", "file part"),
    (EDITS, {"video": "data:video/mp4;base64,!"}, 400, "unsupported_video", "video", "data: URL"),
    (EDITS, {"video": data_url(b"")}, 400, "unsupported_video", "video", "MP4"),
    (EDITS, {"video": data_url(b"\0\0\0\x18ftypisom")}, 400, "unsupported_video", "video", "cut off"),
    (EDITS, {"video": "<7 frames>"}, 400, "unsupported_video", "video", "8 or more"),
    (EDITS, {"video": {}}, 400, "invalid_request", "video.id", "missing"),
    (EDITS, {"video": {"id": 7}}, 400, "invalid_request", "video.id", "text"),
    (EDITS, {"video": {"file": "x"}}, 400, "unknown_parameter", "video.file", "id"),
    (EDITS, {"video": {"id": "video_1"}}, 404, "video_not_found", "video.id", "video_1"),
    (EDITS, {"video": '{"id": "video_1"}'}, 404, "video_not_found", "video.id", "video_1"),
    (EXTENSIONS, {}, 400, "invalid_request", "video", "missing"),
    (EXTENSIONS, {"video": MP4, "strength": 0.5}, 400, "unknown_parameter", "strength", "there are"),
    (EXTENSIONS, {"video": MP4, "num_frames": 4}, 400, "invalid_seconds", "num_frames", "nearest is 8"),
    (EXTENSIONS, {"video": MP4, "num_frames": 1424}, 400, "invalid_seconds", "num_frames", "nearest is 1416"),
    (EXTENSIONS, {"video": "<1436 frames>"}, 400, "unsupported_video", "video", "1440 in all"),
    (EXTENSIONS, {"video": {"id": "video_1"}}, 404, "video_not_found", "video.id", "video_1"),
    ("/v1/videos/video_1/remix", {}, 404, "video_not_found", None, "video_1"),
    ("/v1/videos/video_1/remix", {"seed": 1}, 400, "unknown_parameter", "seed", "there are"),
    ("/v1/videos/video_1/remix", {"prompt": " "}, 400, "invalid_request", "prompt", "blank"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "fields", "status", "code", "param", "word"), WRONG, ids=lambda value: repr(value)[:40]
)
def test_an_impossible_request_is_refused_by_name(
    shared_api: httpx.Client, code_of: Callable[[httpx.Response], str], clip: Callable[..., bytes],
    path: str, fields: dict[str, Any], status: int, code: str, param: str | None, word: str,
) -> None:  # fmt: skip
    videos = {MP4: clip(20), "<7 frames>": clip(7), "<1436 frames>": clip(1436, 16, 16)}
    sent = {name: value if value not in videos else data_url(videos[value], "video/mp4")
            for name, value in fields.items() if isinstance(value, str)}  # fmt: skip
    answer = shared_api.post(path, json={"prompt": "a red fox", **fields, **sent})
    assert (answer.status_code, code_of(answer)) == (status, code), answer.text
    assert answer.json()["error"]["param"] == param
    assert word in answer.json()["detail"]


@pytest.mark.parametrize("path", [EDITS, EXTENSIONS, "/v1/videos/{id}/remix"])
def test_a_video_that_is_not_completed_cannot_be_a_source(
    api: httpx.Client, code_of: Callable[[httpx.Response], str], path: str
) -> None:
    waiting = submit(api)["id"]
    fields = {"prompt": "a"} if "remix" in path else {"prompt": "a", "video": {"id": waiting}}
    answer = api.post(path.format(id=waiting), json=fields)
    assert (answer.status_code, code_of(answer), answer.headers["x-should-retry"]) == (409, "video_not_ready", "false")


def test_an_image_cannot_be_extended(
    api: httpx.Client, code_of: Callable[[httpx.Response], str], done: Callable[..., str]
) -> None:
    answer = api.post(EXTENSIONS, json={"prompt": "a", "video": {"id": done(num_frames=1)}})
    assert (answer.status_code, code_of(answer)) == (400, "unsupported_video")


def test_a_source_without_its_file_is_refused(
    api: httpx.Client, code_of: Callable[[httpx.Response], str], settings, stored: Stored, done: Callable[..., str]
) -> None:
    source = done()
    open_storage(settings).delete_prefix(f"videos/{source}/")
    answer = api.post(EXTENSIONS, json={"prompt": "a", "video": {"id": source}})
    assert (answer.status_code, code_of(answer)) == (410, "asset_expired")
    assert not list(Path(settings.data_dir).rglob("inputs/*/video.mp4"))


def test_another_callers_video_does_not_exist(settings, start_api, announced, store: JobStore) -> None:
    url = start_api(
        settings.model_copy(update={"auth": "keys", "api_keys": type(settings)(api_keys="one,two").api_keys})
    )
    mine = {"Authorization": "Bearer one"}
    video_id = httpx.post(f"{url}/v1/videos", json=SMALL, headers=mine, timeout=60).json()["id"]
    theirs = {"Authorization": "Bearer two"}
    for path, fields in [(EDITS, {"video": {"id": video_id}}), (f"/v1/videos/{video_id}/remix", {})]:
        answer = httpx.post(url + path, json={"prompt": "a", **fields}, headers=theirs, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "video_not_found")


def test_a_video_with_a_removed_lora_cannot_be_remixed(
    api: httpx.Client, redis: Redis, card: ModelCard, done: Callable[..., str]
) -> None:
    source = done(loras=[{"name": "a"}])
    Registry(redis).announce(card.model_copy(update={"loras": ()}), "worker-1")
    answer = api.post(f"/v1/videos/{source}/remix", json={"prompt": "a"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "lora_not_found")


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.text(max_size=3))
SHAPES = (
    ANY | st.dictionaries(st.sampled_from(["id", "name", "scale", "x"]), ANY) | st.just([{"name": "a", "scale": {}}])
)


@hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from([EDITS, EXTENSIONS, CREATE, "/v1/videos/video_1/remix"]),
    fields=st.fixed_dictionaries(
        {"prompt": st.just("a")},
        optional={
            name: SHAPES for name in {*EditVideo.model_fields, *ExtendVideo.model_fields} - {"webhook", "prompt"}
        },
    ),
    has_video=st.booleans(),
)
def test_no_value_in_any_field_is_a_500(
    shared_api: httpx.Client, clip: Callable[..., bytes], path: str, fields: dict[str, Any], has_video: bool
) -> None:
    if has_video:
        fields["video"] = data_url(clip(20), "video/mp4")
    body = json.dumps(fields).encode("utf-8", "surrogatepass")
    answer = shared_api.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 400, 404), answer.text


# ---- the result


def test_the_manifest_of_a_video_can_be_read(
    api: httpx.Client, settings, stored: Stored, done: Callable[..., str], code_of: Callable[[httpx.Response], str]
) -> None:
    video_id = done()
    result = stored(video_id).result
    assert result is not None
    assert code_of(api.get(f"/v1/videos/{video_id}/content?variant=manifest")) == "asset_expired"
    open_storage(settings).put_bytes(f"{result.video_key.rpartition('/')[0]}/manifest.json", b'{"seed": 1}')
    answer = api.get(f"/v1/videos/{video_id}/content?variant=manifest")
    assert (answer.json(), answer.headers["content-type"]) == ({"seed": 1}, "application/json")


def test_an_image_is_downloaded_as_png(api: httpx.Client, done: Callable[..., str]) -> None:
    video_id = done(num_frames=1)
    assert f"{video_id}.png" in api.get(f"/v1/videos/{video_id}/content").headers["content-disposition"]


# ---- OpenAI's own client


@pytest.fixture
def client(api: httpx.Client) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="any", max_retries=0) as client:
        yield client


@IGNORE_SORA
def test_openai_remixes(client: openai.OpenAI, done: Callable[..., str]) -> None:
    source = done()
    assert client.videos.remix(source, prompt="b").remixed_from_video_id == source


@IGNORE_SORA
def test_openai_extends_by_id_and_by_file(
    client: openai.OpenAI, stored: Stored, done: Callable[..., str], clip: Callable[..., bytes]
) -> None:
    by_id = {"video": {"id": done()}}
    first = client.videos.extend(prompt="b", seconds="4", video=openai.omit, extra_body=by_id)  # type: ignore[arg-type]
    assert stored(first.id).request.num_frames == 16 + 96
    second = client.videos.extend(prompt="b", seconds="4", video=clip(20))
    assert stored(second.id).request.num_frames == 20 + 96


@IGNORE_SORA
def test_openai_edits_by_id_and_by_file(
    client: openai.OpenAI, stored: Stored, done: Callable[..., str], clip: Callable[..., bytes]
) -> None:
    by_id = {"video": {"id": done()}, "strength": 0.5, "loras": [{"name": "a", "scale": 0.5}, {"name": "b"}]}
    first = client.videos.edit(prompt="b", video=openai.omit, extra_body=by_id)  # type: ignore[arg-type]
    request = stored(first.id).request
    assert (request.mode, request.strength, len(request.loras)) == ("video_to_video", 0.5, 2)
    assert stored(client.videos.edit(prompt="b", video=clip(20)).id).request.num_frames == 16
