"""Owners read, list, cancel and delete their videos; other callers have no access."""

from collections.abc import Callable

import httpx
import pytest

from jobs.model.failure import failure
from jobs.model.states import Phase, State
from jobs.storage.local import LocalStorage
from tests.job_store import JobStore

Code = Callable[[httpx.Response], str]


def create(api: httpx.Client, **fields: object) -> str:
    return str(api.post("/v1/videos", json={"prompt": "a red fox", **fields}).json()["id"])


def test_a_queued_video_has_its_position(api: httpx.Client) -> None:
    create(api)
    answer = api.get(f"/v1/videos/{create(api)}")
    assert (answer.status_code, answer.json()["status"], answer.json()["queue"]) == (
        200,
        "queued",
        {"position": 1, "reason": None},
    )
    assert 500 <= int(answer.headers["openai-poll-after-ms"]) <= 5000


def test_a_running_video_has_its_phase_and_steps(api: httpx.Client, store: JobStore) -> None:
    video_id = create(api)
    job = store.lease(video_id, "worker-1")
    assert job is not None
    assert job.token is not None
    store.report(video_id, job.token, Phase.DENOISING, 5, 10)
    video = api.get(f"/v1/videos/{video_id}").json()
    assert (video["status"], video["state"], video["phase"]) == ("in_progress", "running", "denoising")
    assert (video["step"], video["total_steps"], video["progress"], video["queue"]) == (5, 10, 45, None)
    assert video["started_at"] >= video["created_at"]


def test_a_completed_video_has_a_working_link(api: httpx.Client, finish: Callable[[str], bytes]) -> None:
    video_id = create(api, seconds="1.1")
    expected = finish(video_id)
    video = api.get(f"/v1/videos/{video_id}").json()
    assert (video["status"], video["progress"], video["error"]) == ("completed", 100, None)
    assert (video["inference_time_s"], video["peak_memory_mb"], len(video["content_sha256"])) == (1.5, 64.0, 64)
    assert [warning[:10] for warning in video["warnings"]] == ["seconds: 1", "the prompt"]
    assert [one["code"] for one in video["warning_codes"]] == ["seconds_rounded", "unknown"]
    assert httpx.get(video["url"], timeout=60).content == expected


def test_a_failed_video_is_a_200_with_its_reason(api: httpx.Client, store: JobStore) -> None:
    video_id = create(api)
    job = store.lease(video_id, "worker-1")
    assert job is not None
    assert job.token is not None
    store.fail(video_id, job.token, failure("gpu_out_of_memory"))
    answer = api.get(f"/v1/videos/{video_id}")
    error = answer.json()["error"]
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert (error["code"], error["retryable"], error["blame"]) == ("gpu_out_of_memory", True, "model")
    assert "openai-poll-after-ms" not in answer.headers


def test_a_matching_etag_gets_a_304_until_the_record_changes(api: httpx.Client, store: JobStore) -> None:
    url = f"/v1/videos/{create(api)}"
    tag = api.get(url).headers["etag"]
    again = api.get(url, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert int(again.headers["openai-poll-after-ms"]) > 0
    store.lease(url.rpartition("/")[2], "worker-1")
    assert api.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_the_list_is_newest_first_and_pages_to_its_end(api: httpx.Client) -> None:
    expected = [create(api) for _ in range(5)][::-1]
    first = api.get("/v1/videos", params={"limit": 2}).json()
    assert ([video["id"] for video in first["data"]], first["has_more"]) == (expected[:2], True)
    assert (first["object"], first["first_id"], first["last_id"]) == ("list", expected[0], expected[1])
    rest = api.get("/v1/videos", params={"limit": 3, "after": first["last_id"], "order": "desc"}).json()
    assert ([video["id"] for video in rest["data"]], rest["has_more"]) == (expected[2:], False)


def test_an_empty_list_is_a_list(api: httpx.Client) -> None:
    empty = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert api.get("/v1/videos").json() == empty


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("status=done", "status"),
    ],
)
def test_an_invalid_query_parameter_is_refused_by_name(
    api: httpx.Client, code_of: Code, query: str, param: str
) -> None:
    answer = api.get(f"/v1/videos?{query}")
    assert (answer.status_code, code_of(answer), answer.json()["error"]["param"]) == (400, "invalid_request", param)


def test_an_unknown_filter_is_refused(api: httpx.Client, code_of: Code) -> None:
    assert code_of(api.get("/v1/videos?model=x")) == "unknown_parameter"


def test_a_list_after_an_unknown_video_is_a_404(api: httpx.Client, code_of: Code) -> None:
    assert code_of(api.get("/v1/videos?after=video_x")) == "video_not_found"


def test_a_queued_video_is_cancelled_at_once(api: httpx.Client, store: JobStore) -> None:
    video_id = create(api)
    answer = api.post(f"/v1/videos/{video_id}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["state"]) == (200, "failed", "cancelled")
    assert answer.json()["error"]["code"] == "cancelled"
    assert store.queue_depth("easyanimate-v3-tiny") == 0


def test_a_running_video_gets_a_cancel_request(api: httpx.Client, store: JobStore) -> None:
    video_id = create(api)
    job = store.lease(video_id, "worker-1")
    answer = api.post(f"/v1/videos/{video_id}/cancel")
    assert (answer.json()["status"], answer.json()["cancel_requested"]) == ("in_progress", True)
    assert job is not None
    assert job.token is not None
    assert store.heartbeat(video_id, job.token).cancel_requested


def test_a_finished_video_cannot_be_cancelled_and_clients_do_not_retry(
    api: httpx.Client, finish: Callable[[str], bytes], code_of: Code
) -> None:
    video_id = create(api)
    finish(video_id)
    answer = api.post(f"/v1/videos/{video_id}/cancel")
    assert (answer.status_code, code_of(answer), answer.headers["x-should-retry"]) == (409, "not_cancellable", "false")


def test_deleting_erases_record_and_files(
    api: httpx.Client, store: JobStore, finish: Callable[[str], bytes], code_of: Code, tmp_path
) -> None:
    video_id = create(api)
    finish(video_id)
    answer = api.delete(f"/v1/videos/{video_id}")
    assert answer.json() == {"id": video_id, "object": "video.deleted", "deleted": True}
    assert code_of(api.get(f"/v1/videos/{video_id}")) == "video_not_found"
    assert api.get("/v1/videos").json()["data"] == []
    assert not [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]


def test_deleting_a_running_video_revokes_its_lease(api: httpx.Client, store: JobStore) -> None:
    video_id = create(api)
    job = store.lease(video_id, "worker-1")
    assert job is not None
    assert job.token is not None
    api.delete(f"/v1/videos/{video_id}")
    assert not store.heartbeat(video_id, job.token).is_held


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/content"), ("GET", "/content?redirect=1")],
)
def test_an_unknown_video_is_a_404(api: httpx.Client, code_of: Code, method: str, path: str) -> None:
    answer = api.request(method, f"/v1/videos/video_nope{path}")
    assert (answer.status_code, code_of(answer)) == (404, "video_not_found")


@pytest.fixture
def locked(settings, start_api, announced) -> str:
    """The address of a front end that requires keys."""
    url: str = start_api(
        settings.model_copy(update={"auth": "keys", "api_keys": type(settings)(api_keys="alice,bob").api_keys})
    )
    return url


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic YWxpY2U6", "alice", "Bearer alice bob"])
def test_without_a_valid_key_every_request_is_a_401(locked: str, code_of: Code, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    for method, path in (("POST", "/v1/videos"), ("GET", "/v1/videos"), ("GET", "/v1/models"), ("GET", "/v1/videos/x")):
        answer = httpx.request(method, locked + path, headers=headers, timeout=120)
        assert (answer.status_code, code_of(answer)) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_video_of_another_caller_is_a_404(locked: str, code_of: Code) -> None:
    alice = httpx.Client(base_url=locked, headers={"Authorization": "Bearer alice"}, timeout=60)
    bob = httpx.Client(base_url=locked, headers={"Authorization": "bearer bob"}, timeout=60)
    with alice, bob:
        video_id = create(alice)
        assert alice.get(f"/v1/videos/{video_id}").status_code == 200
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/content")):
            answer = bob.request(method, f"/v1/videos/{video_id}{path}")
            assert (answer.status_code, code_of(answer)) == (404, "video_not_found")
        assert bob.get("/v1/videos").json()["data"] == []
        assert code_of(bob.get(f"/v1/videos?after={video_id}")) == "video_not_found"
        assert alice.get(f"/v1/videos/{video_id}").json()["state"] == State.QUEUED


def test_without_keys_any_bearer_is_accepted(api: httpx.Client) -> None:
    video_id = create(api)
    assert api.get(f"/v1/videos/{video_id}", headers={"Authorization": "Bearer whatever"}).status_code == 200


def test_deleting_also_erases_the_start_image(api: httpx.Client, tmp_path) -> None:
    head = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00"
    gif = head + b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    video_id = api.post("/v1/videos", data={"prompt": "a"}, files={"image": ("a.gif", gif)}).json()["id"]
    storage = LocalStorage(tmp_path / "objects", public_url="", secret=b"")
    assert storage.stat(f"inputs/{video_id}/image.png").size_bytes
    api.delete(f"/v1/videos/{video_id}")
    with pytest.raises(KeyError):
        storage.stat(f"inputs/{video_id}/image.png")
