"""Priorities and deadlines of requests and in responses."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs.model.job import Job
from jobs.model.states import State
from tests.job_store import JobStore

BODY = {"prompt": "a red ball"}


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
def test_a_priority_is_stored_with_the_job_and_returned(
    api: httpx.Client, stored: Callable[[str], Job], priority: str
) -> None:
    video = api.post("/v1/videos", json=BODY | {"priority": priority}).json()
    assert video["priority"] == stored(video["id"]).priority == priority


def test_a_job_of_higher_priority_is_before_earlier_jobs(api: httpx.Client) -> None:
    ids = {
        name: api.post("/v1/videos", json=BODY | {"priority": name}).json()["id"] for name in ("low", "normal", "high")
    }
    places = {name: api.get(f"/v1/videos/{video_id}").json()["queue"]["position"] for name, video_id in ids.items()}
    assert places == {"high": 0, "normal": 1, "low": 2}


def test_a_deadline_is_at_most_thirty_days_ahead(api: httpx.Client) -> None:
    assert api.post("/v1/videos", json=BODY, headers={"Cancel-After": "720h"}).status_code == 200
    month_s = 30 * 86_400
    answers = [api.post("/v1/videos", json=BODY | {"deadline": time.time() + month_s + off_s}) for off_s in (-60, 60)]
    assert [answer.status_code for answer in answers] == [200, 400]


@pytest.mark.parametrize(
    ("after", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h 30m", 5400), ("1H30M5S", 5405)]
)
def test_a_time_from_now_becomes_a_deadline(api: httpx.Client, store: JobStore, after: str, seconds: int) -> None:
    before = store.now()
    video = api.post("/v1/videos", json=BODY, headers={"Cancel-After": after}).json()
    off_s = 2.0  # the front end reads the clock of Redis every ten seconds, as exactly as a busy machine lets it
    assert before + seconds - off_s <= video["deadline"] <= store.now() + seconds + off_s


def test_a_remix_has_a_priority_and_a_deadline_of_its_own(
    api: httpx.Client, finish: Callable[[str], bytes], store: JobStore
) -> None:
    first = api.post("/v1/videos", json=BODY).json()["id"]
    finish(first)
    urgent = {"prompt": "a blue ball", "priority": "high", "deadline": int(store.now()) + 100}
    video = api.post(f"/v1/videos/{first}/remix", json=urgent).json()
    assert (video["priority"], video["deadline"]) == ("high", urgent["deadline"])


@pytest.mark.parametrize(
    ("fields", "headers", "param"),
    [
        ({"priority": "urgent"}, {}, "priority"),
        ({"priority": 1}, {}, "priority"),
        ({"priority": ""}, {}, "priority"),
        ({"deadline": 1}, {}, "deadline"),
        ({"deadline": "soon"}, {}, "deadline"),
        ({"deadline": int(time.time() * 1000)}, {}, "deadline"),
        ({"deadline": time.time() + 60}, {"Cancel-After": "60"}, "deadline"),
        ({}, {"Cancel-After": "0"}, "Cancel-After"),
        ({}, {"Cancel-After": ""}, "Cancel-After"),
        ({}, {"Cancel-After": "-5"}, "Cancel-After"),
        ({}, {"Cancel-After": "m"}, "Cancel-After"),
        ({}, {"Cancel-After": "1.5h"}, "Cancel-After"),
        ({}, {"Cancel-After": "31 days"}, "Cancel-After"),
        ({}, {"Cancel-After": "999999h"}, "Cancel-After"),
        ({}, {"Cancel-After": "721h"}, "Cancel-After"),
        ({}, {"Cancel-After": "2592001"}, "Cancel-After"),
    ],
)
def test_a_wrong_priority_or_deadline_is_refused_by_name(
    api: httpx.Client,
    code_of: Callable[[httpx.Response], str],
    fields: dict[str, Any],
    headers: dict[str, str],
    param: str,
) -> None:
    answer = api.post("/v1/videos", json=BODY | fields, headers=headers)
    assert (answer.status_code, code_of(answer)) == (400, "invalid_request")
    assert answer.json()["error"]["param"] == param
    assert api.get("/v1/videos").json()["data"] == []


def test_a_video_past_its_deadline_has_failed_with_its_code(api: httpx.Client, store: JobStore) -> None:
    video = api.post("/v1/videos", json=BODY, headers={"Cancel-After": "1"}).json()
    deadline = time.monotonic() + 240
    while not store.expire_late():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ended = api.get(f"/v1/videos/{video['id']}").json()
    assert (ended["status"], ended["state"], ended["error"]["code"]) == ("failed", "expired", "deadline_exceeded")
    assert store.get(video["id"]).state is State.EXPIRED
