"""Which requests are the same work: those of one caller that give equal files, with a seed, where it is on."""

import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs.access.api_keys import ApiKeyStore
from jobs.model.limits import Limits
from jobs.model.model_card import ModelCard
from service.settings import ServiceSettings
from tests.integration.service.conftest import finished
from tests.job_store import JobStore

BODY: dict[str, Any] = {
    "prompt": "a large red circle", "size": "64x64", "num_frames": 8, "num_inference_steps": 10, "seed": 5,
}  # fmt: skip
FILM: dict[str, Any] = {"shots": [{"prompt": "a red circle", "num_frames": 8}], "size": "64x64", "seed": 5}


@pytest.fixture
def settings(settings: ServiceSettings) -> ServiceSettings:
    return settings.model_copy(update={"share_work": "on"})


@pytest.fixture
def work(api: httpx.Client, store: JobStore) -> Callable[..., str | None]:
    """Requests a video and returns the key of its work."""

    def work(body: dict[str, Any] = BODY, path: str = "/v1/videos", **headers: str) -> str | None:
        video_id = api.post(path, json=body, headers=headers).raise_for_status().json()["id"]
        return store.get(video_id).shared_key

    return work


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {"a": "b"}},
        {"webhook": {"url": "https://example.com/hook"}},
        {"priority": "high"},
        {"previews": {"every_steps": 2}},
    ],
)
def test_fields_that_do_not_change_the_files_do_not_change_the_work(
    changes: dict[str, Any], work: Callable[..., str | None]
) -> None:
    key = work(BODY)
    assert key is not None
    assert work({**BODY, **changes}) == key


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 6},
        {"prompt": "a large blue circle"},
        {"num_inference_steps": 11},
        {"guidance_scale": 2.5},
        {"num_frames": 16},
        {"draft": {"steps": 2}},
    ],
)
def test_other_settings_are_other_work(changes: dict[str, Any], work: Callable[..., str | None]) -> None:
    assert work(BODY) != work({**BODY, **changes})


@pytest.mark.parametrize("body", [{**BODY, "seed": None}, {**BODY, "share_work": False}, {**FILM, "seed": None}])
def test_without_a_seed_or_by_request_a_video_has_its_own_run(
    body: dict[str, Any], work: Callable[..., str | None]
) -> None:
    assert work({name: value for name, value in body.items() if value is not None}) is None


def test_films_and_remixes_are_work_that_can_be_shared(
    work: Callable[..., str | None], api: httpx.Client, store: JobStore, settings: ServiceSettings
) -> None:
    assert work(FILM) == work(FILM) != work({**FILM, "shots": [{"prompt": "a blue circle", "num_frames": 8}]})
    video_id = api.post("/v1/videos", json=BODY).json()["id"]
    finished(store, settings, video_id)
    remix = {"prompt": "a blue square"}, f"/v1/videos/{video_id}/remix"
    assert work(*remix) == work(*remix) != work(BODY)


def test_other_owners_have_other_work(
    start_api: Callable[[ServiceSettings], str], settings: ServiceSettings, store: JobStore, announced: ModelCard
) -> None:
    keys = [ApiKeyStore(store.redis).create("test", owner, Limits())[1] for owner in ("a", "b")]
    url = start_api(settings.model_copy(update={"auth": "keys"}))
    works = set()
    for key in keys:
        headers = {"Authorization": f"Bearer {key}"}
        video = httpx.post(f"{url}/v1/videos", json=BODY, headers=headers, timeout=60).raise_for_status().json()
        works.add(store.get(video["id"]).shared_key)
    assert len(works) == len(keys)
    assert all(len(work or "") == hashlib.sha256().digest_size * 2 for work in works)


def test_each_equal_video_counts_against_the_quota(
    start_api: Callable[[ServiceSettings], str], settings: ServiceSettings, store: JobStore, announced: ModelCard
) -> None:
    limits = Limits(queued_jobs=2)
    url = start_api(settings.model_copy(update={"limits": limits}))
    statuses = [httpx.post(f"{url}/v1/videos", json=BODY, timeout=60).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_it_is_off_by_default(
    start_api: Callable[[ServiceSettings], str], settings: ServiceSettings, store: JobStore, announced: ModelCard
) -> None:
    url = start_api(settings.model_copy(update={"share_work": ServiceSettings.model_fields["share_work"].default}))
    video = httpx.post(f"{url}/v1/videos", json=BODY, timeout=60).raise_for_status().json()
    assert store.get(video["id"]).shared_key is None
