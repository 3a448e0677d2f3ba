"""Several videos of one prompt: one request, consecutive seeds, all or none."""

from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace

import httpx
import pytest
from PIL import Image

from jobs.model.job import Job
from service.settings import ServiceSettings
from service.submission import admission
from tests.job_store import JobStore

BODY = {"prompt": "a red fox", "seed": 7, "n": 3, "metadata": {"order": "17"}}


def test_each_video_of_a_batch_has_the_next_seed(api: httpx.Client, stored: Callable[[str], Job]) -> None:
    first = api.post("/v1/videos", json=BODY).json()
    jobs = [stored(video_id) for video_id in first["batch"]]
    assert [job.request.seed for job in jobs] == [7, 8, 9]
    assert jobs[0].id == first["id"]
    assert all(job.request.model_copy(update={"seed": 7}) == jobs[0].request for job in jobs)


def test_a_batch_is_queued_in_the_order_of_its_seeds(api: httpx.Client, store: JobStore) -> None:
    batch = api.post("/v1/videos", json=BODY).json()["batch"]
    assert [store.queue_position(store.get(video_id)) for video_id in batch] == [0, 1, 2]


def test_each_video_of_a_batch_is_logged_as_admitted(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[str, str]] = []
    log = SimpleNamespace(info=lambda event, job_id, **_: logged.append((event, job_id)))
    monkeypatch.setattr(admission, "log", log)
    assert api.post("/v1/videos", json={"prompt": "a", "n": 3}).status_code == 200
    videos = [video["id"] for video in api.get("/v1/videos", params={"order": "asc"}).json()["data"]]
    assert sorted(logged) == sorted(("job.admitted", video_id) for video_id in videos)
    assert len(logged) == 3


def test_a_single_video_is_no_batch(api: httpx.Client) -> None:
    assert api.post("/v1/videos", json={"prompt": "a red fox", "n": 1}).json()["batch"] is None


def test_each_video_of_a_batch_has_its_own_start_image(api: httpx.Client, stored: Callable[[str], Job]) -> None:
    picture = BytesIO()
    Image.new("RGB", (32, 16), "red").save(picture, "PNG")
    fields = {"prompt": "a red fox", "n": "2"}
    batch = api.post("/v1/videos", data=fields, files={"image": picture.getvalue()}).json()["batch"]
    assert len({stored(video_id).request.image_key for video_id in batch}) == 2


def test_a_batch_that_does_not_fit_is_refused_whole(
    announced: object, settings: ServiceSettings, start_api: Callable[[ServiceSettings], str], store: JobStore
) -> None:
    url = start_api(settings.model_copy(update={"max_queued_jobs": 2}))
    answer = httpx.post(f"{url}/v1/videos", json=BODY, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_full")
    assert store.queue_depth("easyanimate-v3-tiny") == 0
    assert httpx.post(f"{url}/v1/videos", json={**BODY, "n": 2}, timeout=60).status_code == 200
    assert httpx.post(f"{url}/v1/videos", json={**BODY, "n": 1}, timeout=60).status_code == 429
    assert store.queue_depth("easyanimate-v3-tiny") == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"n": 0}, "n"), ({"n": 9}, "n"), ({"n": 1.5}, "n"), ({"n": "two"}, "n"), ({"n": 2, "seed": 2**63 - 1}, "seed")],
)
def test_a_wrong_count_is_refused(api: httpx.Client, fields: dict[str, object], param: str) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a red fox", **fields})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("path", ["/v1/videos/edits", "/v1/videos/extensions"])
def test_edits_and_extensions_are_not_batches(api: httpx.Client, path: str) -> None:
    answer = api.post(path, json={"prompt": "a red fox", "video": {"id": "video_1"}, "n": 2})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_parameter")
