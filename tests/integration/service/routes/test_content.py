"""The MP4 comes whole or in ranges, through the API with a key or through a signed link without one."""

import hashlib
from collections.abc import Callable

import httpx
import pytest

from jobs.model.failure import failure
from jobs.model.result_files import FILES, Variant, sibling_key
from jobs.storage.factory import open_storage
from jobs.storage.paths import result_key
from service.settings import ServiceSettings
from tests.job_store import JobStore

Code = Callable[[httpx.Response], str]


@pytest.fixture
def made(api: httpx.Client, finish: Callable[[str], bytes]) -> tuple[str, bytes]:
    """The id of a completed video, and its bytes."""
    video_id = str(api.post("/v1/videos", json={"prompt": "a"}).json()["id"])
    return video_id, finish(video_id)


@pytest.fixture(params=["content", "link"])
def url(request: pytest.FixtureRequest, api: httpx.Client, made: tuple[str, bytes]) -> str:
    """Both ways to the bytes."""
    if request.param == "content":
        return f"/v1/videos/{made[0]}/content"
    return str(api.get(f"/v1/videos/{made[0]}").json()["url"])


def test_the_whole_file(api: httpx.Client, made: tuple[str, bytes], url: str) -> None:
    answer = api.get(url, headers={"Accept": "application/binary"})
    assert (answer.status_code, answer.content) == (200, made[1])
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(len(made[1]))
    assert answer.headers["accept-ranges"] == "bytes"
    assert f"{made[0]}.mp4" in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=5-", 5, None), ("bytes=-7", -7, None),
     ("bytes=100-999999", 100, None), ("bytes=-999999", 0, None)],
)  # fmt: skip
def test_one_range(api: httpx.Client, made: tuple[str, bytes], url: str, wanted: str, start: int, stop: int) -> None:
    answer = api.get(url, headers={"Range": wanted})
    part, size = made[1][start:stop], len(made[1])
    first = start % size
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{size}"
    assert answer.headers["content-length"] == str(len(part))


@pytest.mark.parametrize("wanted", ["bytes=20000-", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_behind_the_end_is_a_416_with_the_size(
    api: httpx.Client, made: tuple[str, bytes], url: str, code_of: Code, wanted: str
) -> None:
    answer = api.get(url, headers={"Range": wanted})
    assert (answer.status_code, code_of(answer)) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(made[1])}"


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=-", "bytes=0-1,3-4", "bytes=a-b", "lines=1-2", "x"])
def test_a_range_that_is_none_is_answered_with_everything(
    api: httpx.Client, made: tuple[str, bytes], url: str, wanted: str
) -> None:
    answer = api.get(url, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, made[1])


def test_a_download_resumes_only_if_the_file_is_still_the_same(api: httpx.Client, url: str) -> None:
    tag = api.get(url).headers["etag"]
    assert api.get(url, headers={"Range": "bytes=5-", "If-Range": tag}).status_code == 206
    assert api.get(url, headers={"Range": "bytes=5-", "If-Range": '"other"'}).status_code == 200


def test_who_has_the_file_already_gets_a_304(api: httpx.Client, url: str) -> None:
    tag = api.get(url).headers["etag"]
    answer = api.get(url, headers={"If-None-Match": f'"other", {tag}'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)


def test_head_tells_the_size_without_the_bytes(api: httpx.Client, made: tuple[str, bytes], url: str) -> None:
    answer = api.head(url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(made[1]))
    assert answer.headers["etag"]


def test_the_tag_is_the_checksum_of_the_file(api: httpx.Client, made: tuple[str, bytes]) -> None:
    answer = api.get(f"/v1/videos/{made[0]}/content")
    assert answer.headers["etag"] == f'"{hashlib.sha256(made[1]).hexdigest()}"'


def test_redirect_leads_to_a_link_that_needs_no_key(api: httpx.Client, made: tuple[str, bytes]) -> None:
    answer = api.get(f"/v1/videos/{made[0]}/content?redirect=1")
    assert answer.status_code == 302
    assert httpx.get(answer.headers["location"]).content == made[1]


@pytest.mark.parametrize("variant", ["nonsense", "Video", ""])
def test_another_variant_is_refused(api: httpx.Client, made: tuple[str, bytes], code_of: Code, variant: str) -> None:
    answer = api.get(f"/v1/videos/{made[0]}/content?variant={variant}")
    assert (answer.status_code, code_of(answer), answer.json()["error"]["param"]) == (400, "invalid_request", "variant")


def test_a_video_that_is_not_ready_is_a_409_that_clients_do_not_repeat(api: httpx.Client, code_of: Code) -> None:
    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    answer = api.get(f"/v1/videos/{video_id}/content")
    assert (answer.status_code, code_of(answer), answer.headers["x-should-retry"]) == (409, "video_not_ready", "false")


def test_a_video_that_failed_says_why_there_is_none(api: httpx.Client, store: JobStore, code_of: Code) -> None:
    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    job = store.lease(video_id, "worker-1")
    assert job is not None
    assert job.token is not None
    store.fail(video_id, job.token, failure("worker_lost"))
    answer = api.get(f"/v1/videos/{video_id}/content")
    assert (answer.status_code, code_of(answer)) == (409, "video_not_ready")
    assert failure("worker_lost").message in answer.json()["detail"]


def test_a_file_that_was_removed_is_a_410(
    api: httpx.Client, made: tuple[str, bytes], url: str, code_of, tmp_path
) -> None:
    for path in (tmp_path / "objects").rglob("*.mp4"):
        path.unlink()
    answer = api.get(url)
    assert (answer.status_code, code_of(answer)) == (410, "asset_expired")


@pytest.mark.parametrize(
    ("old", "new"),
    [("signature=", "signature=0"), ("expires=1", "expires=2"), ("filename=video", "filename=virus"), ("/1-", "/2-"),
     ("expires=", "expires=x"), ("/files/videos/", "/files/videos/../videos/"), ("signature=", "signatur=")],
)  # fmt: skip
def test_a_link_that_was_tampered_with_is_a_403(
    api: httpx.Client, made: tuple[str, bytes], code_of: Code, old: str, new: str
) -> None:
    link = api.get(f"/v1/videos/{made[0]}").json()["url"]
    assert old in link
    answer = httpx.get(link.replace(old, new, 1).replace("/../", "/%2e%2e/"))
    assert (answer.status_code, code_of(answer)) == (403, "forbidden")


def test_a_link_that_has_run_out_is_a_403(api: httpx.Client, settings, made: tuple[str, bytes], code_of: Code) -> None:
    from jobs.storage.signed_urls import sign_path

    secret = settings.secret_for("signing").encode()
    key = api.get(f"/v1/videos/{made[0]}").json()["url"].partition("/files/")[2].partition("?")[0]
    assert api.get(sign_path(secret, key, 2**40, "a.mp4")).status_code == 200
    assert code_of(api.get(sign_path(secret, key, 1_000_000, "a.mp4"))) == "forbidden"


@pytest.mark.parametrize("path", ["/files/", "/files/x", "/files/../../etc/passwd", "/files/%2e%2e/%2e%2e/etc/passwd"])
def test_without_a_signature_there_is_no_file(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code in (403, 404)


@pytest.fixture
def pictured(store: JobStore, settings: ServiceSettings, made: tuple[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """A completed video with its pictures beside it, as a worker leaves them."""
    result = store.get(made[0]).result
    assert result is not None
    data = {"thumbnail": b"RIFF" + bytes(range(200)), "spritesheet": b"\xff\xd8" + bytes(range(250))}
    for name, content in data.items():
        open_storage(settings).put_bytes(sibling_key(result.video_key, FILES[Variant(name)]), content)
    return made[0], data


@pytest.mark.parametrize(("variant", "kind"), [("thumbnail", "image/webp"), ("spritesheet", "image/jpeg")])
def test_pictures_of_a_video_come_as_the_video_does(
    api: httpx.Client, pictured: tuple[str, dict[str, bytes]], variant: str, kind: str
) -> None:
    url, data = f"/v1/videos/{pictured[0]}/content?variant={variant}", pictured[1][variant]
    whole = api.get(url)
    assert (whole.content, whole.headers["content-type"]) == (data, kind)
    assert f"{pictured[0]}-{variant}." in whole.headers["content-disposition"]
    part = api.get(url, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert api.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert api.head(url).headers["content-length"] == str(len(data))
    link = api.get(f"{url}&redirect=1").headers["location"]
    assert httpx.get(link).content == data


def test_the_preview_is_the_latest_one_and_in_the_end_the_thumbnail(
    api: httpx.Client, store: JobStore, settings: ServiceSettings, code_of: Code, pictured: tuple[str, dict[str, bytes]]
) -> None:
    wish = {"prompt": "a", "previews": {"every_steps": 2}}
    video_id = api.post("/v1/videos", json=wish).json()["id"]
    url = f"/v1/videos/{video_id}/content?variant=preview"
    assert code_of(api.get(url)) == "video_not_ready"
    job = store.lease(video_id, "worker-1")
    assert job is not None
    assert job.token is not None
    assert job.request.preview_every_steps == 2
    key = result_key(video_id, 1, job.token, "preview.webp")
    for step in (2, 4):
        open_storage(settings).put_bytes(key, b"RIFF%d" % step)
        assert store.record_preview(video_id, job.token, key, step, 10)
        assert (api.get(url).content, api.get(url).headers["content-type"]) == (b"RIFF%d" % step, "image/webp")
    assert not store.record_preview(video_id, "stale", "other", 6, 10)
    assert api.get(f"/v1/videos/{pictured[0]}/content?variant=preview").content == pictured[1]["thumbnail"]


@pytest.mark.parametrize("previews", [{}, {"every_steps": 0}, {"every_steps": -1}, {"every_steps": "x"}, "often"])
def test_previews_that_make_no_sense_are_refused(api: httpx.Client, code_of: Code, previews: object) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a", "previews": previews})
    assert (code_of(answer), answer.json()["error"]["param"].split(".")[0]) == ("invalid_request", "previews")
