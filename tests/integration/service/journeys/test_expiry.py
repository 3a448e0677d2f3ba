"""How long a video is kept, and what its caller sees when that is over."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.queue.registry import Registry
from service.settings import DAY_S, ServiceSettings

Finish = Callable[[str], bytes]
Stored = Callable[[str], Job]


def made(api: httpx.Client, finish: Finish) -> dict[str, Any]:
    """The record of a finished video."""
    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    finish(video_id)
    record: dict[str, Any] = api.get(f"/v1/videos/{video_id}").json()
    return record


@pytest.fixture
def over(settings: ServiceSettings, announced: ModelCard, start_api: Callable[..., str], finish: Finish) -> Any:
    """A client, and the id of a video that was kept for a moment only."""
    with httpx.Client(base_url=start_api(settings.model_copy(update={"retention_s": 0.05})), timeout=30) as api:
        video_id = made(api, finish)["id"]
        time.sleep(0.1)
        yield api, video_id


def test_a_video_is_kept_for_a_week_from_its_end(api: httpx.Client, finish: Finish) -> None:
    waiting = api.post("/v1/videos", json={"prompt": "a"}).json()
    assert waiting["expires_at"] is None
    finish(waiting["id"])
    record = api.get(f"/v1/videos/{waiting['id']}").json()
    assert record["expires_at"] - record["completed_at"] in (7 * DAY_S - 1, 7 * DAY_S, 7 * DAY_S + 1)


def test_a_model_may_have_its_own_time(api: httpx.Client, redis: Redis, card: ModelCard, finish: Finish) -> None:
    Registry(redis).announce(card.model_copy(update={"retention_s": 3600.0}), "worker-1")
    record = made(api, finish)
    assert 3599 <= record["expires_at"] - record["completed_at"] <= 3601
    remix = api.post(f"/v1/videos/{record['id']}/remix", json={"prompt": "b"}).json()["id"]
    finish(remix)
    assert api.get(f"/v1/videos/{remix}").json()["expires_at"] is not None


def test_a_video_can_be_kept_for_ever(
    settings: ServiceSettings, announced: ModelCard, start_api: Callable[..., str], finish: Finish
) -> None:
    with httpx.Client(base_url=start_api(settings.model_copy(update={"retention_s": "never"})), timeout=30) as api:
        assert made(api, finish)["expires_at"] is None


def test_what_has_expired_is_a_410_wherever_it_is_asked_for(
    over: tuple[httpx.Client, str], code_of: Callable[[httpx.Response], str]
) -> None:
    api, video_id = over
    asked = {"prompt": "b", "video": {"id": video_id}}
    for answer in (
        api.get(f"/v1/videos/{video_id}/content"),
        api.get(f"/v1/videos/{video_id}/content?redirect=1", follow_redirects=False),
        api.get(f"/v1/videos/{video_id}/content?variant=manifest"),
        api.post("/v1/videos/extensions", json=asked),
        api.post("/v1/videos/edits", json=asked),
    ):
        assert (answer.status_code, code_of(answer)) == (410, "asset_expired")


def test_the_record_stays_without_a_link_and_can_be_remixed(over: tuple[httpx.Client, str]) -> None:
    api, video_id = over
    record = api.get(f"/v1/videos/{video_id}").json()
    assert (record["status"], record["url"]) == ("completed", None)
    assert record["expires_at"] <= time.time()
    assert api.get("/v1/videos").json()["data"][0]["url"] is None
    assert api.post(f"/v1/videos/{video_id}/remix", json={"prompt": "b"}).status_code == 200


def test_a_link_never_outlives_the_file(
    settings: ServiceSettings, announced: ModelCard, start_api: Callable[..., str], finish: Finish
) -> None:
    with httpx.Client(base_url=start_api(settings.model_copy(update={"retention_s": 600.0})), timeout=30) as api:
        record = made(api, finish)
    ends = int(httpx.URL(record["url"]).params["expires"])
    assert ends <= record["expires_at"] + 1


@pytest.mark.parametrize("value", ["0", "-1", "soon"])
def test_a_time_that_makes_no_sense_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="retention_s"):
        ServiceSettings(retention_s=value)  # type: ignore[arg-type]
