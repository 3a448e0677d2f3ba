"""The estimate of a video: the body and the refusals of a create, and nothing that is stored, counted or reserved."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from jobs.access.api_keys import ApiKeyStore
from jobs.model.limits import Limits
from jobs.model.model_card import ModelCard
from jobs.queue.registry import Registry
from service.settings import ServiceSettings
from tests.job_store import JobStore

Finish = Callable[[str], bytes]
PROMPT = {"prompt": "a red ball rolls across a meadow"}
SMALL = {**PROMPT, "size": "128x64", "num_frames": 16, "num_inference_steps": 10}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # one pixel


def keys_of(redis: Redis) -> dict[bytes, Any]:
    """Everything in Redis, except what polls and reports change: keys and their serialised values."""
    return {key: redis.dump(key) for key in redis.keys("*")}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": ""},
        {**PROMPT, "promt": "x"},
        {**PROMPT, "size": "100x100"},
        {**PROMPT, "seconds": "99"},
        {**PROMPT, "num_frames": 17},
        {**PROMPT, "num_inference_steps": 900},
        {**PROMPT, "scheduler": "dream"},
        {**PROMPT, "model": "sora-2"},
        {**PROMPT, "loras": ["ink"]},
        {**PROMPT, "image": "no image"},
        {**PROMPT, "image": PIXEL, "num_frames": 1},
        {**PROMPT, "mask": PIXEL},
        {**PROMPT, "video": {"id": "video_0123"}},
        {**PROMPT, "webhook": {"url": "http://10.0.0.1/"}},
        {**PROMPT, "deadline": 1},
        {**PROMPT, "n": 9},
        {**PROMPT, "n": 2, "seed": 2**63 - 1},
        {"prompt": "一只狐狸"},
    ],
    ids=lambda body: ",".join(f"{name}={str(value)[:12]}" for name, value in body.items()) or "empty",
)
def test_what_a_create_refuses_an_estimate_refuses_with_the_same_words(
    shared_api: httpx.Client, body: dict[str, Any]
) -> None:
    create, estimate = (shared_api.post(f"/v1/videos{path}", json=body) for path in ("", "/estimate"))
    assert create.is_client_error
    assert (estimate.status_code, estimate.json()["error"]) == (create.status_code, create.json()["error"])


@pytest.mark.parametrize(
    ("headers", "content"),
    [({"Cancel-After": "soon"}, b'{"prompt": "a ball"}'), ({}, b"{"), ({"content-type": "text/plain"}, b"a ball")],
)
def test_headers_and_bodies_are_refused_likewise(
    shared_api: httpx.Client, headers: dict[str, str], content: bytes
) -> None:
    create, estimate = (
        shared_api.post(f"/v1/videos{path}", content=content, headers={"content-type": "application/json"} | headers)
        for path in ("", "/estimate")
    )
    assert create.is_client_error
    assert (estimate.status_code, estimate.json()["error"]) == (create.status_code, create.json()["error"])


def test_a_full_queue_and_a_model_that_nobody_announced_are_refused(
    settings: ServiceSettings, redis: Redis, card: ModelCard, start_api: Callable[[ServiceSettings], str]
) -> None:
    url = start_api(settings.model_copy(update={"max_queued_jobs": 1}))
    assert (
        httpx.post(f"{url}/v1/videos/estimate", json=SMALL, timeout=60).json()["error"]["code"] == "model_unavailable"
    )
    Registry(redis).announce(card, "worker-1")
    assert httpx.post(f"{url}/v1/videos/estimate", json=SMALL, timeout=60).status_code == 200
    assert httpx.post(f"{url}/v1/videos", json=SMALL, timeout=60).status_code == 200
    full = httpx.post(f"{url}/v1/videos/estimate", json=SMALL, timeout=60)
    assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
    assert full.headers["retry-after"]


def test_an_estimate_stores_nothing_and_describes_the_video(api: httpx.Client, redis: Redis) -> None:
    before = keys_of(redis)
    answer = api.post("/v1/videos/estimate", json={**SMALL, "n": 3, "image": PIXEL}, headers={"Idempotency-Key": "a"})
    assert answer.status_code == 200, answer.text
    estimate = answer.json()
    (warning,) = estimate.pop("warnings")
    assert warning.startswith("image: 1x1 is stretched to 128x64")
    values = {"param": "image", "source": "1x1", "size": "128x64"}
    assert estimate.pop("warning_codes") == [{"code": "start_image_stretched", "shot": None, "values": values}]
    assert estimate == {
        **{"object": "video.estimate", "model": "easyanimate-v3-tiny", "size": "128x64", "seconds": "0.6667"},
        **{"num_frames": 16, "n": 3, "windows": 1, "steps": 10, "pixel_frames": 3 * 128 * 64 * 16, "position": 0},
        "eta_s": None,
    }
    assert keys_of(redis) == before
    assert api.get("/v1/videos").json()["data"] == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"num_frames": 96}, {"windows": 3, "steps": 30}),  # windows of 48 frames that share 4
        ({"num_frames": 92, "overlap": 4}, {"status": 400}),
        ({"num_frames": 1}, {"windows": 1, "steps": 10}),
        ({"scheduler": "pndm"}, {"windows": 1, "steps": 19}),
        ({"seconds": "2"}, {"num_frames": 48, "windows": 1}),
    ],
)
def test_windows_and_steps_are_those_of_the_worker(
    shared_api: httpx.Client, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = {**SMALL, **fields}
    if "seconds" in fields:
        del body["num_frames"]
    answer = shared_api.post("/v1/videos/estimate", json=body)
    assert expected.items() <= {"status": answer.status_code, **answer.json()}.items()


def test_a_form_is_estimated_as_json_is(shared_api: httpx.Client) -> None:
    form = {name: (None, str(value)) for name, value in SMALL.items()}  # parts without a file name
    estimates = [shared_api.post("/v1/videos/estimate", **body).json() for body in ({"files": form}, {"json": SMALL})]
    assert estimates[0]["object"] == "video.estimate"
    assert estimates[0] == estimates[1]


def test_the_position_is_the_place_that_a_new_video_gets(
    api: httpx.Client, store: JobStore, redis: Redis, settings: ServiceSettings
) -> None:
    for priority, expected in (("normal", 0), ("low", 0), ("high", 0)):
        assert estimated(api, priority)["position"] == expected
    for priority in ("low", "normal", "normal", "high"):
        assert api.post("/v1/videos", json={**SMALL, "priority": priority}).status_code == 200
    for priority in ("high", "normal", "low"):
        position = estimated(api, priority)["position"]
        video = api.post("/v1/videos", json={**SMALL, "priority": priority}).json()
        assert store.queue_position(store.get(video["id"])) == position
        api.delete(f"/v1/videos/{video['id']}")
    job = store.lease(store.first_waiting("easyanimate-v3-tiny") or "", "worker-1")
    assert job is not None
    assert estimated(api, "normal")["position"] == 2


def estimated(api: httpx.Client, priority: str) -> dict[str, Any]:
    """The estimate of a small video with this priority."""
    answer = api.post("/v1/videos/estimate", json={**SMALL, "priority": priority})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_time_is_a_range_of_measured_times(api: httpx.Client, store: JobStore, finish: Finish) -> None:
    for number in range(9):
        video = api.post("/v1/videos", json=SMALL).json()
        assert (estimated(api, "normal")["eta_s"] is None) == (number == 0)
        finish(video["id"])  # in 1.5 s, by its phases
    assert estimated(api, "normal")["eta_s"] == {"p50": pytest.approx(1.5), "p90": pytest.approx(1.5)}
    longer = api.post("/v1/videos/estimate", json={**SMALL, "num_inference_steps": 20}).json()
    assert longer["eta_s"]["p50"] == pytest.approx(3.0)
    api.post("/v1/videos", json=SMALL)
    waiting = estimated(api, "normal")
    assert (waiting["position"], waiting["eta_s"]["p50"]) == (1, pytest.approx(3.0))


def test_without_a_worker_the_time_is_unknown_and_a_warning_says_why(
    api: httpx.Client, redis: Redis, finish: Finish
) -> None:
    finish(api.post("/v1/videos", json=SMALL).json()["id"])
    Registry(redis).withdraw("easyanimate-v3-tiny", "worker-1")
    estimate = estimated(api, "normal")
    assert estimate["eta_s"] is None
    assert estimate["warnings"] == ["eta_s: no worker starts videos of easyanimate-v3-tiny now: no_worker"]
    values = {"model": "easyanimate-v3-tiny", "reason": "no_worker"}
    assert estimate["warning_codes"] == [{"code": "model_idle", "shot": None, "values": values}]


@pytest.mark.usefixtures("within_a_day")
def test_quotas_refuse_an_estimate_and_are_not_used_by_it(
    settings: ServiceSettings, redis: Redis, announced: ModelCard, start_api: Callable[[ServiceSettings], str]
) -> None:
    limits = Limits(requests_per_minute=2, queued_jobs=2, pixel_frames_per_day=2 * 128 * 64 * 16)
    _, secret = ApiKeyStore(redis).create("test", "studio", limits)
    url = start_api(settings.model_copy(update={"auth": "keys"}))
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:
        for _ in range(5):
            answer = client.post("/v1/videos/estimate", json=SMALL)
            assert answer.status_code == 200, answer.text
        assert answer.headers["ratelimit"].startswith('"requests";r=2')
        too_many = client.post("/v1/videos/estimate", json={**SMALL, "n": 3}).json()["error"]
        assert (too_many["code"], too_many["message"][:33]) == ("rate_limited", "your limit is 2 queued videos; 2 ")
        too_large = client.post("/v1/videos/estimate", json={**SMALL, "num_frames": 48}).json()["error"]
        assert too_large["message"].startswith("your limit is 262144 pixel-frames a day; 262144 are left")
        for _ in range(2):
            assert client.post("/v1/videos", json=SMALL).status_code == 200
        assert client.post("/v1/videos/estimate", json=SMALL).json()["error"]["code"] == "rate_limited"
        assert client.post("/v1/videos", json=SMALL).json()["error"]["code"] == "rate_limited"
        del client.headers["Authorization"]
        assert client.post("/v1/videos/estimate", json=SMALL).status_code == 401


def test_a_source_video_counts_with_its_frames_and_an_expired_one_is_refused(
    api: httpx.Client, finish: Finish, settings: ServiceSettings
) -> None:
    video = api.post("/v1/videos", json=SMALL).json()
    finish(video["id"])
    body = {**PROMPT, "video": {"id": video["id"]}, "strength": 0.5}
    estimate = api.post("/v1/videos/estimate", json=body).json()
    assert (estimate["num_frames"], estimate["windows"], estimate["steps"], estimate["size"]) == (16, 1, 5, "128x64")
    for path in settings.data_dir.rglob("video.mp4"):
        path.unlink()
    answers = [api.post(f"/v1/videos{path}", json=body) for path in ("/estimate", "")]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [(410, "asset_expired")] * 2
