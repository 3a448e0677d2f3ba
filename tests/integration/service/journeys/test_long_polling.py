"""Long polling: requests wait for a change without a thread each."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from jobs.model.states import Phase
from tests.job_store import JobStore

Code = Callable[[httpx.Response], str]
WAIT = {"Prefer": "wait=60"}


def create(api: httpx.Client, **headers: str) -> str:
    return str(api.post("/v1/videos", json={"prompt": "a red fox"}, headers=headers).json()["id"])


def test_a_waiting_read_ends_with_the_video(api: httpx.Client, finish: Callable[[str], bytes]) -> None:
    video_id = create(api)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(api.get, f"/v1/videos/{video_id}", headers=WAIT)
        time.sleep(0.2)
        assert not answer.done()
        finish(video_id)
        video = answer.result(timeout=120)
    assert (video.json()["status"], video.headers["preference-applied"]) == ("completed", "wait=50")


def test_a_waiting_read_with_an_etag_ends_with_any_change_or_with_a_304(api: httpx.Client, store: JobStore) -> None:
    url = f"/v1/videos/{create(api)}"
    condition = {"If-None-Match": api.get(url).headers["etag"]}
    assert api.get(url, headers={**condition, "Prefer": "wait=1"}).status_code == 304
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(api.get, url, headers={**condition, **WAIT})
        time.sleep(0.2)
        job = store.lease(url.rpartition("/")[2], "worker-1")
        assert answer.result(timeout=120).json()["state"] == "running"
        assert job is not None
        assert job.token is not None
        condition = {"If-None-Match": api.get(url).headers["etag"]}
        answer = pool.submit(api.get, url, headers={**condition, **WAIT})
        time.sleep(0.2)
        store.report(job.id, job.token, Phase.DENOISING, 5, 10)
        assert answer.result(timeout=120).json()["step"] == 5


@pytest.mark.parametrize(
    ("prefer", "status"), [("wait=60", 200), ("respond-async, wait=60", 200), ("respond-async, wait=1", 202)]
)
def test_a_waiting_submit_ends_with_the_video_or_after_its_wait(
    api: httpx.Client, finish: Callable[[str], bytes], store: JobStore, prefer: str, status: int
) -> None:
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(api.post, "/v1/videos", json={"prompt": "a"}, headers={"Prefer": prefer})
        if status == 200:
            while not (jobs := store.newest("local", 1)):
                time.sleep(0.02)
            finish(jobs[0].id)
        video = answer.result(timeout=120)
    expected = "completed" if status == 200 else "queued"
    assert (video.status_code, video.json()["status"]) == (status, expected)
    assert video.headers["preference-applied"] == prefer.replace("60", "50")  # the longest wait
    assert video.url.join(video.headers["location"]).path == f"/v1/videos/{video.json()['id']}"


def test_a_waiting_read_of_a_deleted_video_is_a_404(api: httpx.Client, code_of: Code) -> None:
    video_id = create(api)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(api.get, f"/v1/videos/{video_id}", headers=WAIT)
        time.sleep(0.2)
        api.delete(f"/v1/videos/{video_id}")
        assert code_of(answer.result(timeout=120)) == "video_not_found"


def test_two_hundred_waiting_requests_need_few_threads_and_others_are_served(
    api: httpx.Client, finish: Callable[[str], bytes]
) -> None:
    video_id = create(api)
    before = threading.active_count()
    limits = httpx.Limits(max_connections=300)
    with httpx.Client(base_url=api.base_url, timeout=240, limits=limits) as clients, ThreadPoolExecutor(200) as pool:
        answers = [pool.submit(clients.get, f"/v1/videos/{video_id}", headers=WAIT) for _ in range(200)]
        time.sleep(1)
        assert api.get("/v1/videos").status_code == 200
        in_the_service = threading.active_count() - before - 200  # 200 are this test's own
        finish(video_id)
        assert {answer.result(timeout=240).json()["status"] for answer in answers} == {"completed"}
    assert in_the_service < 50


def test_the_list_is_paged_by_its_links_in_both_orders(api: httpx.Client, finish: Callable[[str], bytes]) -> None:
    video_ids = [create(api) for _ in range(5)]
    for order, expected in (("asc", video_ids), ("desc", video_ids[::-1])):
        listed, url = [], f"/v1/videos?limit=2&order={order}"
        while url:
            answer = api.get(url)
            page = answer.json()
            ids = [video["id"] for video in page["data"]]
            assert (page["first_id"], page["last_id"]) == (ids[0], ids[-1])
            assert page["has_more"] == ("next" in answer.links)
            target = answer.links.get("next", {}).get("url")
            listed, url = listed + ids, target and str(answer.url.join(target))
        assert listed == expected
    finish(video_ids[0])
    assert [video["id"] for video in api.get("/v1/videos?status=completed").json()["data"]] == video_ids[:1]
    assert [video["id"] for video in api.get("/v1/videos?status=queued&order=asc").json()["data"]] == video_ids[1:]
