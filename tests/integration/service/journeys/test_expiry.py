"""How long a video is kept, and the responses after it has expired."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.redis.keys import record_key
from service.settings import DAY_S, ServiceSettings
from tests.announced_worker import announce_for_long

Finish = Callable[[str], bytes]
Stored = Callable[[str], Job]


def finished_record(api: httpx.Client, finish: Finish) -> dict[str, Any]:
    """The record of a finished video."""
    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    finish(video_id)
    record: dict[str, Any] = api.get(f"/v1/videos/{video_id}").json()
    return record


@pytest.fixture
def expired(
    settings: ServiceSettings, announced: ModelCard, start_api: Callable[..., str], finish: Finish, redis: Redis
) -> Any:
    """A client, and the id of an expired video."""
    with httpx.Client(base_url=start_api(settings.model_copy(update={"retention_s": 60.0})), timeout=120) as api:
        video_id = finished_record(api, finish)["id"]
        redis.hincrbyfloat(record_key(video_id), "expires_at", -DAY_S)  # a day passes
        yield api, video_id


def test_a_video_that_waited_for_six_days_is_kept_for_a_week_from_its_end(
    api: httpx.Client, redis: Redis, finish: Finish
) -> None:
    waiting = api.post("/v1/videos", json={"prompt": "a"}).json()
    assert waiting["expires_at"] is None
    redis.hset(record_key(waiting["id"]), "created_at", str(waiting["created_at"] - 6 * DAY_S))
    finish(waiting["id"])
    record = api.get(f"/v1/videos/{waiting['id']}").json()
    assert record["completed_at"] - record["created_at"] >= 6 * DAY_S
    assert record["expires_at"] - record["completed_at"] == 7 * DAY_S
    assert record["completed_at"] == pytest.approx(time.time(), abs=60)


def test_the_clock_of_redis_decides_when_a_video_expires_not_that_of_the_front_end(
    api: httpx.Client, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = finished_record(api, finish)
    local_time = time.time
    monkeypatch.setattr(time, "time", lambda: local_time() + 30 * DAY_S)
    assert api.get(f"/v1/videos/{record['id']}/content").status_code == 200
    url = api.get(f"/v1/videos/{record['id']}").json()["url"]
    assert api.get(url).status_code == 200
    assert api.get(record["url"]).status_code == 200


def test_a_model_may_have_its_own_retention(api: httpx.Client, redis: Redis, card: ModelCard, finish: Finish) -> None:
    announce_for_long(redis, card.model_copy(update={"retention_s": 3600.0}))
    record = finished_record(api, finish)
    assert record["expires_at"] - record["completed_at"] == 3600
    remix = api.post(f"/v1/videos/{record['id']}/remix", json={"prompt": "b"}).json()["id"]
    finish(remix)
    record = api.get(f"/v1/videos/{remix}").json()
    assert record["expires_at"] - record["completed_at"] == 3600


def test_a_video_can_be_kept_for_ever(
    settings: ServiceSettings, announced: ModelCard, start_api: Callable[..., str], finish: Finish
) -> None:
    with httpx.Client(base_url=start_api(settings.model_copy(update={"retention_s": "never"})), timeout=120) as api:
        assert finished_record(api, finish)["expires_at"] is None


def test_an_expired_video_is_a_410_in_all_routes_that_need_its_files(
    expired: tuple[httpx.Client, str], code_of: Callable[[httpx.Response], str]
) -> None:
    api, video_id = expired
    body = {"prompt": "b", "video": {"id": video_id}}
    for answer in (
        api.get(f"/v1/videos/{video_id}/content"),
        api.get(f"/v1/videos/{video_id}/content?redirect=1", follow_redirects=False),
        api.get(f"/v1/videos/{video_id}/content?variant=manifest"),
        api.post("/v1/videos/extensions", json=body),
        api.post("/v1/videos/edits", json=body),
    ):
        assert (answer.status_code, code_of(answer)) == (410, "asset_expired")


def test_the_record_of_an_expired_video_has_no_link_and_can_be_remixed(expired: tuple[httpx.Client, str]) -> None:
    api, video_id = expired
    record = api.get(f"/v1/videos/{video_id}").json()
    assert (record["status"], record["url"]) == ("completed", None)
    assert record["expires_at"] <= time.time()
    assert api.get("/v1/videos").json()["data"][0]["url"] is None
    assert api.post(f"/v1/videos/{video_id}/remix", json={"prompt": "b"}).status_code == 200


@pytest.mark.parametrize(("retention_s", "lifetime_s"), [(600.0, 600), (7200.0, 3600), ("never", 3600)])
def test_a_link_is_valid_for_an_hour_and_never_outlives_the_file(
    settings: ServiceSettings,
    announced: ModelCard,
    start_api: Callable[..., str],
    finish: Finish,
    retention_s: Any,
    lifetime_s: int,
) -> None:
    url = start_api(settings.model_copy(update={"retention_s": retention_s}))
    with httpx.Client(base_url=url, timeout=120) as api:
        record = finished_record(api, finish)
        redirect = api.get(f"/v1/videos/{record['id']}/content?redirect=1").headers["location"]
    link_ends_at, redirect_ends_at = (int(httpx.URL(link).params["expires"]) for link in (record["url"], redirect))
    assert link_ends_at == pytest.approx(time.time() + lifetime_s, abs=60)
    assert redirect_ends_at <= time.time() + 3601
    if record["expires_at"] is not None:
        assert link_ends_at <= record["expires_at"] + 1


@pytest.mark.parametrize("value", ["0", "-1", "soon"])
def test_an_invalid_retention_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="retention_s"):
        ServiceSettings(retention_s=value)  # type: ignore[arg-type]
