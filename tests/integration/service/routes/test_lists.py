"""All lists have one rule for their cursor: an entry that is gone keeps its place for a day."""

import io
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest
from PIL import Image
from redis import Redis

from jobs.model.model_card import ModelCard
from jobs.queue.registry import Registry
from jobs.storage.uploads import UploadIndex
from service.settings import ServiceSettings

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")  # of OpenAI's client

LISTS = ["/v1/videos", "/v1/files", "/v1/webhook_endpoints"]
CODES = {
    "/v1/videos": "video_not_found",
    "/v1/files": "file_not_found",
    "/v1/webhook_endpoints": "webhook_endpoint_not_found",
    "/v1/models": "model_not_found",
}


@pytest.fixture
def api(
    settings: ServiceSettings, announced: ModelCard, start_api: Callable[[ServiceSettings], str]
) -> Iterator[httpx.Client]:
    url = start_api(settings.model_copy(update={"webhook_allow_private": True}))
    with httpx.Client(base_url=url, timeout=120) as client:
        yield client


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(out, "PNG")
    return out.getvalue()


def create(api: httpx.Client, path: str) -> str:
    bodies = {
        "/v1/videos": {"json": {"prompt": "a red fox"}},
        "/v1/files": {"files": {"file": ("a.png", png())}},
        "/v1/webhook_endpoints": {"json": {"url": "http://127.0.0.1:9/hook", "event_types": ["video.queued"]}},
    }
    response = api.post(path, **bodies[path])  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


@pytest.mark.parametrize("path", LISTS)
def test_a_client_that_deletes_what_it_lists_reaches_every_entry(api: httpx.Client, path: str) -> None:
    created = [create(api, path) for _ in range(5)]
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="any", max_retries=0) as client:
        lists = {"/v1/videos": client.videos, "/v1/files": client.files, "/v1/webhook_endpoints": client.webhooks}
        deleted = []
        for entry in lists[path].list(limit=2):
            lists[path].delete(entry.id)
            deleted.append(entry.id)
    assert deleted == created[::-1]
    assert api.get(path).json()["data"] == []


@pytest.mark.parametrize("path", LISTS)
def test_a_deleted_entry_is_a_cursor_and_one_that_never_was_is_none(
    api: httpx.Client, path: str, redis: Redis, code_of: Callable[[httpx.Response], str]
) -> None:
    ids = [create(api, path) for _ in range(3)]
    assert api.delete(f"{path}/{ids[1]}").status_code == 200
    assert [entry["id"] for entry in api.get(path, params={"after": ids[1]}).json()["data"]] == ids[:1]
    unknown = api.get(path, params={"after": ids[1] + "0"})
    assert (unknown.status_code, code_of(unknown)) == (404, CODES[path])
    (gone,) = redis.keys("*:gone:of:*")  # type: ignore[misc]
    assert 86_000 < redis.ttl(gone) <= 86_400  # type: ignore[operator]


def test_an_expired_file_is_a_cursor(api: httpx.Client, redis: Redis) -> None:
    ids = [create(api, "/v1/files") for _ in range(3)]
    index = UploadIndex(redis)
    file = index.get_owned(ids[1], "local", 0)
    index.add(file.model_copy(update={"expires_at": file.created_at}))
    for _ in range(2):  # expired, and then swept
        assert [entry["id"] for entry in api.get(f"/v1/files?after={ids[1]}").json()["data"]] == ids[:1]
        assert [entry["id"] for entry in api.get(f"/v1/files?order=asc&after={ids[1]}").json()["data"]] == ids[2:]
        index.delete(ids[1])


@pytest.mark.parametrize("path", [*LISTS, "/v1/models"])
def test_empty_parameters_are_absent_and_others_are_checked(
    api: httpx.Client, path: str, code_of: Callable[[httpx.Response], str]
) -> None:
    page = api.get(path, params={"after": "", "limit": ""})
    assert page.status_code == 200
    assert page.json() == api.get(path).json()
    for query in ("limit=0", "limit=x", "limit=1&limit=2", "after=a&after=a", "limit=" + "9" * 5000):
        refused = api.get(f"{path}?{query}")
        assert (refused.status_code, code_of(refused)) == (400, "invalid_request")
        assert "set_int_max_str_digits" not in refused.text
    unknown = api.get(f"{path}?page=2")
    assert (unknown.status_code, code_of(unknown)) == (400, "unknown_parameter")
    assert code_of(api.get(path, params={"after": "x"})) == CODES[path]


def test_models_have_pages(api: httpx.Client, redis: Redis, card: ModelCard) -> None:
    for name in ("b-model", "a-model"):
        Registry(redis).announce(card.model_copy(update={"name": name}), "worker-2")
    names, after = [], ""
    while True:
        page = api.get("/v1/models", params={"limit": 1, "after": after}).json()
        names += [model["id"] for model in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert names == ["a-model", "b-model", card.name]


def test_deliveries_have_pages(api: httpx.Client, code_of: Callable[[httpx.Response], str]) -> None:
    for _ in range(3):
        create(api, "/v1/webhook_endpoints")
    path = f"/v1/videos/{create(api, '/v1/videos')}/deliveries"
    all_ids = [delivery["id"] for delivery in api.get(path).json()["data"]]
    assert len(all_ids) == 3
    first = api.get(path, params={"limit": 2}).json()
    assert (first["has_more"], [delivery["id"] for delivery in first["data"]]) == (True, all_ids[:2])
    rest = api.get(path, params={"after": first["last_id"]}).json()
    assert (rest["has_more"], [delivery["id"] for delivery in rest["data"]]) == (False, all_ids[2:])
    assert code_of(api.get(path, params={"after": "x"})) == "delivery_not_found"
