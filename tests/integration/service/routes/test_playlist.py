"""A player shows the finished segments of a long video while it is running."""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import httpx
import pytest
from redis import Redis

from jobs.model.failure import failure
from jobs.model.model_card import ModelCard
from jobs.storage.factory import open_storage
from service.routes.videos.playlist import LIST_TAG
from service.settings import ServiceSettings
from tests.job_store import JobStore
from tests.long_video import FRAMES, LongVideoWorker

Code = Callable[[httpx.Response], str]
KEYS = (secrets.token_hex(16), secrets.token_hex(16))
everywhere = pytest.mark.parametrize("settings", ["local", "s3"], indirect=True)


@pytest.fixture
def settings(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> ServiceSettings:
    """A front end with two callers, and storage in a folder or a bucket."""
    values = {"redis_url": redis_url, "data_dir": tmp_path, "api_keys": ",".join(KEYS)}
    if getattr(request, "param", "local") == "s3":
        values |= {"storage": "s3", "s3": request.getfixturevalue("s3_settings")}
    return ServiceSettings.model_validate(values)


@pytest.fixture
def api(
    settings: ServiceSettings, announced: ModelCard, start_api: Callable[[ServiceSettings], str]
) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEYS[0]}"}
    with httpx.Client(base_url=start_api(settings), headers=headers, timeout=120) as client:
        yield client


@pytest.fixture
def worker(api: httpx.Client, store: JobStore, settings: ServiceSettings, tmp_path: Path) -> LongVideoWorker:
    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    job = store.lease(video_id, "worker-1")
    assert job
    return LongVideoWorker(store, open_storage(settings), tmp_path, job)


def links(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


@everywhere
def test_a_player_shows_the_finished_segments_and_later_the_whole_video(
    api: httpx.Client, worker: LongVideoWorker
) -> None:
    path = f"/v1/videos/{worker.job.id}/playlist.m3u8"
    worker.window()
    worker.window()
    answer = api.get(path)
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.text.count("#EXTINF:0.66667,"), "#EXT-X-ENDLIST" in answer.text) == (2, False)
    assert api.get(f"/v1/videos/{worker.job.id}").json()["watchable_s"] == pytest.approx(4 / 3, abs=0.01)
    worker.window()
    worker.finish()
    finished = api.get(path).text
    assert finished.startswith(answer.text[: answer.text.index("#EXTINF")])  # a playlist only grows
    assert finished.endswith("#EXT-X-ENDLIST\n")
    options = {"headers": f"Authorization: {api.headers['authorization']}\r\n"}
    with av.open(str(api.base_url.join(path)), options=options) as video:
        levels = [frame.to_ndarray(format="rgb24").mean() for frame in video.decode(video=0)]
    assert [round(level / 40) for level in levels] == [0] * FRAMES + [1] * FRAMES + [2] * FRAMES


@everywhere
def test_the_segments_need_no_key_and_have_their_content_type(api: httpx.Client, worker: LongVideoWorker) -> None:
    worker.window()
    [link] = links(api.get(f"/v1/videos/{worker.job.id}/playlist.m3u8").text)
    answer = httpx.get(link, timeout=60)
    assert (answer.status_code, answer.headers["content-type"], answer.content[0]) == (200, "video/mp2t", 0x47)
    assert httpx.get(link.replace("signature", "s").replace("Signature", "s"), timeout=60).status_code in (
        400,
        401,
        403,
    )


def test_a_playlist_with_a_segment_of_an_older_release_names_no_signed_list(
    api: httpx.Client, worker: LongVideoWorker, redis: Redis
) -> None:
    path = f"/v1/videos/{worker.job.id}/playlist.m3u8"
    worker.window()
    worker.window()
    record = f"job:{worker.job.id}"
    segments = json.loads(redis.hget(record, "segments") or b"[]")
    signed = [segment | {"sha256": "0" * 64} for segment in segments]
    redis.hset(record, "segments", json.dumps(signed))
    assert LIST_TAG in api.get(path).text
    redis.hset(record, "segments", json.dumps([segments[0] | {"sha256": ""}, *signed[1:]]))
    answer = api.get(path).text
    assert LIST_TAG not in answer
    assert answer.count("#EXTINF") == 2


def test_the_playlist_is_for_its_owner_only(api: httpx.Client, worker: LongVideoWorker, code_of: Code) -> None:
    worker.window()
    url = str(api.base_url.join(f"/v1/videos/{worker.job.id}/playlist.m3u8"))
    assert code_of(httpx.get(url, timeout=60)) == "invalid_api_key"
    assert code_of(httpx.get(url, headers={"Authorization": f"Bearer {KEYS[1]}"}, timeout=60)) == "video_not_found"


def test_before_the_first_window_the_playlist_is_a_409(
    api: httpx.Client, worker: LongVideoWorker, code_of: Code
) -> None:
    answer = api.get(f"/v1/videos/{worker.job.id}/playlist.m3u8")
    assert (answer.status_code, code_of(answer), answer.headers["x-should-retry"]) == (409, "video_not_ready", "false")
    assert api.get(f"/v1/videos/{worker.job.id}").json()["watchable_s"] is None


def test_a_video_of_one_window_has_no_playlist(api: httpx.Client, worker: LongVideoWorker, code_of: Code) -> None:
    worker.finish()
    answer = api.get(f"/v1/videos/{worker.job.id}/playlist.m3u8")
    assert (answer.status_code, code_of(answer)) == (404, "playlist_not_found")
    assert f"/v1/videos/{worker.job.id}/content" in answer.json()["detail"]


def test_a_failed_video_has_no_playlist(api: httpx.Client, worker: LongVideoWorker, code_of: Code) -> None:
    worker.window()
    assert worker.store.fail(worker.job.id, worker.job.token or "", failure("worker_lost"))
    answer = api.get(f"/v1/videos/{worker.job.id}/playlist.m3u8")
    assert (answer.status_code, code_of(answer)) == (409, "video_not_ready")
    assert "failed" in answer.json()["detail"]
    assert api.get(f"/v1/videos/{worker.job.id}").json()["watchable_s"] is None


def test_the_playlist_of_an_expired_video_is_a_410(api: httpx.Client, worker: LongVideoWorker, code_of: Code) -> None:
    worker.window()
    worker.finish()
    worker.store.redis.hset(f"job:{worker.job.id}", "expires_at", "1.0")
    answer = api.get(f"/v1/videos/{worker.job.id}/playlist.m3u8")
    assert (answer.status_code, code_of(answer)) == (410, "asset_expired")
