"""`POST /v1/videos/{id}` changes priority, deadline and metadata of a waiting video."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.job_store import JobStore

Code = Callable[[httpx.Response], str]
MISSING = "video_000000000000000000000000"


def create(api: httpx.Client, **fields: Any) -> str:
    answer = api.post("/v1/videos", json={"prompt": "a red ball", "num_frames": 16, **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_a_waiting_video_changes_its_priority_deadline_and_metadata(api: httpx.Client) -> None:
    first, video = create(api), create(api, metadata={"order": "17"})
    deadline = int(time.time()) + 3600
    answer = api.post(f"/v1/videos/{video}", json={"priority": "high", "deadline": deadline, "metadata": {"a": "b"}})
    assert answer.status_code == 200
    record = answer.json()
    assert (record["priority"], record["deadline"], record["metadata"]) == ("high", deadline, {"a": "b"})
    assert (record["status"], record["queue"]["position"]) == ("queued", 0)
    assert api.get(f"/v1/videos/{first}").json()["queue"]["position"] == 1
    assert api.get(f"/v1/videos/{video}").json() == record


def test_an_absent_field_keeps_its_value_and_a_repeat_changes_nothing(api: httpx.Client) -> None:
    video = create(api, metadata={"order": "17"}, priority="low")
    first, second = (api.post(f"/v1/videos/{video}", json={"priority": "normal"}) for _ in range(2))
    assert first.json()["metadata"] == {"order": "17"}
    assert (first.headers["etag"], first.json()) == (second.headers["etag"], second.json())
    assert api.post(f"/v1/videos/{video}", json={"metadata": {}}).json()["metadata"] == {}


def test_a_form_changes_a_waiting_video(api: httpx.Client) -> None:
    video = create(api)
    answer = api.post(f"/v1/videos/{video}", files={"priority": (None, "low"), "metadata[a]": (None, "b")})
    assert (answer.json()["priority"], answer.json()["metadata"]) == ("low", {"a": "b"})


def test_a_running_and_an_ended_video_are_refused_without_advice_to_retry(
    api: httpx.Client, store: JobStore, code_of: Code
) -> None:
    running, ended = create(api), create(api)
    assert store.lease(running, "worker-1") is not None
    api.post(f"/v1/videos/{ended}/cancel")
    for video, state in ((running, "running"), (ended, "cancelled")):
        refused = api.post(f"/v1/videos/{video}", json={"priority": "high"})
        assert (refused.status_code, code_of(refused)) == (409, "video_not_waiting")
        assert f"the video is {state}" in refused.json()["detail"]
        assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "invalid_request", None),
        ({"priority": None}, "invalid_request", None),
        ({"priority": "urgent"}, "invalid_request", "priority"),
        ({"deadline": 1}, "invalid_request", "deadline"),
        ({"deadline": "soon"}, "invalid_request", "deadline"),
        ({"metadata": {"": "x"}}, "invalid_request", "metadata"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "invalid_request", "metadata"),
        ({"prompt": "a blue ball"}, "unknown_parameter", "prompt"),
        ({"prio": "high"}, "unknown_parameter", "prio"),
    ],
)
def test_an_invalid_change_is_refused_by_its_name(
    shared_api: httpx.Client, code_of: Code, body: dict[str, Any], code: str, param: str | None
) -> None:
    video = create(shared_api)
    before = shared_api.get(f"/v1/videos/{video}").json()
    refused = shared_api.post(f"/v1/videos/{video}", json=body)
    assert (refused.status_code, code_of(refused), refused.json()["error"]["param"]) == (400, code, param)
    after = shared_api.get(f"/v1/videos/{video}").json()
    assert {**after, "queue": None} == {**before, "queue": None}


def test_an_unknown_video_is_not_found(shared_api: httpx.Client, code_of: Code) -> None:
    assert code_of(shared_api.post(f"/v1/videos/{MISSING}", json={"priority": "high"})) == "video_not_found"


def test_names_of_other_routes_are_no_ids(shared_api: httpx.Client, code_of: Code) -> None:
    answers = [shared_api.post(f"/v1/videos/{name}", json={"priority": "high"}) for name in ("edits", "characters")]
    assert [code_of(answer) for answer in answers] == ["invalid_request", "not_found"]
