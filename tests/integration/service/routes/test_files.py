"""Uploaded files: inspected at the upload, named in requests, deleted when they expire."""

import hashlib
import io
from collections.abc import Callable

import httpx
import openai
import pytest
from PIL import Image
from redis import Redis

from jobs.errors import StorageUnavailable
from jobs.model.job import Job
from jobs.storage.factory import open_storage
from jobs.storage.uploads import EXPIRING, UploadIndex, upload_prefix
from service.settings import ServiceSettings
from tests.job_store import JobStore
from worker.keeper.uploads import UploadSweeper

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")  # of OpenAI's client

Code = Callable[[httpx.Response], str]


def picture(form: str = "PNG", size: tuple[int, int] = (32, 16)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, form)
    return out.getvalue()


@pytest.fixture
def client(api: httpx.Client) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="any", max_retries=0)


def send(api: httpx.Client, data: bytes, name: str = "cat.png", **fields: str) -> httpx.Response:
    return api.post("/v1/files", files={"file": (name, data)}, data=fields)


def test_openai_uploads_uses_lists_reads_and_deletes_a_file(
    client: openai.OpenAI, stored: Callable[[str], Job]
) -> None:
    data = picture()
    after = {"anchor": "created_at", "seconds": 3600}
    file = client.files.create(file=("cat.png", data), purpose="vision", expires_after=after)  # type: ignore[arg-type]
    assert (file.object, file.filename, file.bytes, file.purpose) == ("file", "cat.png", len(data), "vision")
    assert file.expires_at == file.created_at + 3600
    assert client.files.retrieve(file.id) == file
    assert [listed.id for listed in client.files.list()] == [file.id]
    assert client.files.content(file.id).read() == data
    video = client.videos.create(prompt="a", extra_body={"input_reference": {"file_id": file.id}})
    assert client.files.delete(file.id).deleted
    assert stored(video.id).request.image_key  # it has a copy of its own
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_a_request_names_a_file_in_every_form(
    api: httpx.Client, stored: Callable[[str], Job], clip: Callable[..., bytes]
) -> None:
    start, end = (send(api, picture(form)).json()["id"] for form in ("JPEG", "WEBP"))
    body = {"prompt": "a", "image": start, "last_image": {"file_id": end}}
    request = stored(api.post("/v1/videos", json=body).json()["id"]).request
    assert request.image_key
    assert request.last_image_key
    video = send(api, clip(), "clip.mp4").json()
    assert (video["kind"], video["width"], video["height"]) == ("video", 96, 64)
    for name in (video["id"], {"file_id": video["id"]}):
        answer = api.post("/v1/videos/extensions", json={"prompt": "a", "video": name, "num_frames": 8})
        assert answer.status_code == 200, answer.text
        assert stored(answer.json()["id"]).request.video_key


def test_a_file_of_the_wrong_kind_is_refused_by_name(
    api: httpx.Client, code_of: Code, clip: Callable[..., bytes]
) -> None:
    video, image = send(api, clip()).json()["id"], send(api, picture()).json()["id"]
    answer = api.post("/v1/videos", json={"prompt": "a", "image": {"file_id": video}})
    assert (answer.status_code, code_of(answer)) == (400, "unsupported_image")
    answer = api.post("/v1/videos/edits", json={"prompt": "a", "video": image})
    assert (answer.status_code, code_of(answer)) == (400, "unsupported_video")


def test_the_part_may_have_the_name_of_replicate(api: httpx.Client) -> None:
    answer = api.post("/v1/files", files={"content": ("a/b\\..\\c.gif", picture("GIF"))})
    assert (answer.status_code, answer.json()["filename"], answer.json()["purpose"]) == (200, "c.gif", "user_data")


ANCHOR, SECONDS = "expires_after[anchor]", "expires_after[seconds]"


@pytest.mark.parametrize(
    ("data", "fields", "code", "param"),
    [
        (b"just text", {}, "unsupported_file", "file"),
        (b"", {}, "unsupported_file", "file"),
        (picture()[:40], {}, "unsupported_image", "file"),
        (picture(size=(2000, 2000)), {}, "unsupported_image", "file"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(100), {}, "unsupported_video", "file"),
        (picture(), {"purpose": "fine-tune"}, "invalid_request", "purpose"),
        (picture(), {"purpos": "vision"}, "unknown_parameter", "purpos"),
        (picture(), {SECONDS: "3599"}, "invalid_request", "expires_after.seconds"),
        (picture(), {ANCHOR: "now", SECONDS: "3600"}, "invalid_request", "expires_after.anchor"),
    ],
)  # fmt: skip
def test_an_unusable_file_is_refused(
    api: httpx.Client, code_of: Code, redis: Redis, data: bytes, fields: dict[str, str], code: str, param: str
) -> None:
    answer = send(api, data, **fields)
    assert (answer.status_code, code_of(answer), answer.json()["error"]["param"]) == (400, code, param)
    assert redis.keys("file*") == []


@pytest.mark.parametrize("body", [{"purpose": (None, "vision")}, {"file": (None, "text")}])
def test_a_form_without_a_file_is_refused(api: httpx.Client, code_of: Code, body: dict[str, object]) -> None:
    answer = api.post("/v1/files", files=body)  # type: ignore[arg-type]
    assert (answer.status_code, code_of(answer)) == (400, "invalid_request")


def test_the_list_has_pages_in_both_orders(api: httpx.Client) -> None:
    ids = [send(api, picture(), purpose=purpose).json()["id"] for purpose in ("vision", "user_data", "vision")]
    assert [file["id"] for file in api.get("/v1/files").json()["data"]] == ids[::-1]
    page = api.get("/v1/files", params={"order": "asc", "limit": 2}).json()
    assert ([file["id"] for file in page["data"]], page["has_more"]) == (ids[:2], True)
    page = api.get("/v1/files", params={"order": "asc", "after": page["last_id"]}).json()
    assert ([file["id"] for file in page["data"]], page["has_more"]) == (ids[2:], False)
    assert len(api.get("/v1/files", params={"purpose": "vision"}).json()["data"]) == 2
    assert api.get("/v1/files", params={"after": "file-0"}).status_code == 404


def test_another_callers_file_does_not_exist(
    settings: ServiceSettings, announced: object, start_api: Callable[[ServiceSettings], str], code_of: Code
) -> None:
    url = start_api(settings.model_copy(update={"auth": "keys", "api_keys": ()} | _keys("ann", "bob")))
    with (
        httpx.Client(base_url=url, headers={"authorization": "Bearer ann"}, timeout=60) as ann,
        httpx.Client(base_url=url, headers={"authorization": "Bearer bob"}, timeout=60) as bob,
    ):
        file_id = send(ann, picture()).json()["id"]
        assert bob.get("/v1/files").json()["data"] == []
        for answer in (
            bob.get(f"/v1/files/{file_id}"),
            bob.get(f"/v1/files/{file_id}/content"),
            bob.delete(f"/v1/files/{file_id}"),
            bob.post("/v1/videos", json={"prompt": "a", "image": file_id}),
        ):
            assert (answer.status_code, code_of(answer)) == (404, "file_not_found")
        assert ann.get(f"/v1/files/{file_id}").status_code == 200


def _keys(*keys: str) -> dict[str, object]:
    from pydantic import SecretStr

    return {"api_keys": tuple(SecretStr(key) for key in keys)}


def test_the_number_of_files_per_caller_is_limited(
    settings: ServiceSettings, announced: object, start_api: Callable[[ServiceSettings], str], code_of: Code
) -> None:
    with httpx.Client(base_url=start_api(settings.model_copy(update={"max_files": 1})), timeout=60) as api:
        file_id = send(api, picture()).json()["id"]
        answer = send(api, picture())
        assert (answer.status_code, code_of(answer)) == (400, "too_many_files")
        api.delete(f"/v1/files/{file_id}")
        assert send(api, picture()).status_code == 200


def test_an_expired_file_is_deleted(
    api: httpx.Client, redis: Redis, store: JobStore, settings: ServiceSettings
) -> None:
    ended, stays = (send(api, picture()).json()["id"] for _ in range(2))
    files, storage = UploadIndex(redis), open_storage(settings)
    key = files.get_owned(ended, "local", 0).key
    files.add(files.get_owned(ended, "local", 0).model_copy(update={"expires_at": store.now() - 60}))
    assert api.get(f"/v1/files/{ended}").status_code == 404
    redis.zadd(EXPIRING, {"file-never": 1})  # an upload whose front end died before the end
    storage.put_bytes(f"{upload_prefix('file-never')}content.png", b"half")
    UploadSweeper(store.table, storage).sweep()
    for gone in (key, f"{upload_prefix('file-never')}content.png"):
        with pytest.raises(KeyError):
            storage.stat(gone)
    assert redis.zrange(EXPIRING, 0, -1) == [stays.encode()]
    assert redis.exists(f"file:{ended}") == 0
    answer = api.get(f"/v1/files/{stays}/content", headers={"range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (206, b"\x89PNG")
    assert answer.headers["etag"] == f'"{hashlib.sha256(picture()).hexdigest()}"'


def test_an_expired_file_keeps_its_record_until_its_content_is_deleted(
    api: httpx.Client, redis: Redis, store: JobStore, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = send(api, picture()).json()["id"]
    files, storage = UploadIndex(redis), open_storage(settings)
    files.add(files.get_owned(ended, "local", 0).model_copy(update={"expires_at": store.now() - 60}))

    def fail(prefix: str) -> None:
        raise StorageUnavailable(prefix)

    with monkeypatch.context() as broken:
        broken.setattr(storage, "delete_prefix", fail)
        with pytest.raises(StorageUnavailable):
            UploadSweeper(store.table, storage).sweep()
    assert redis.zrange(EXPIRING, 0, -1) == [ended.encode()]
    assert redis.exists(f"file:{ended}")
    UploadSweeper(store.table, storage).sweep()
    assert not redis.exists(f"file:{ended}")
    assert list(storage.list(upload_prefix(ended))) == []
