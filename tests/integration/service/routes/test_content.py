"""The MP4 is served whole or in ranges, through the API with a key or through a signed link without one."""

import hashlib
import time
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
def completed(api: httpx.Client, finish: Callable[[str], bytes]) -> tuple[str, bytes]:
    """The id of a completed video, and its bytes."""
    video_id = str(api.post("/v1/videos", json={"prompt": "a"}).json()["id"])
    return video_id, finish(video_id)


@pytest.fixture(params=["content", "link"])
def url(request: pytest.FixtureRequest, api: httpx.Client, completed: tuple[str, bytes]) -> str:
    """The route of the content, and the signed link."""
    if request.param == "content":
        return f"/v1/videos/{completed[0]}/content"
    return str(api.get(f"/v1/videos/{completed[0]}").json()["url"])


def test_the_whole_file(api: httpx.Client, completed: tuple[str, bytes], url: str) -> None:
    answer = api.get(url, headers={"Accept": "application/binary"})
    assert (answer.status_code, answer.content) == (200, completed[1])
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(len(completed[1]))
    assert answer.headers["accept-ranges"] == "bytes"
    assert f"{completed[0]}.mp4" in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("range_header", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=5-", 5, None), ("Bytes=-7", -7, None),
     ("bytes=100-999999", 100, None), ("bytes=-999999", 0, None)],
)  # fmt: skip
def test_one_range(
    api: httpx.Client, completed: tuple[str, bytes], url: str, range_header: str, start: int, stop: int
) -> None:
    answer = api.get(url, headers={"Range": range_header})
    part, size = completed[1][start:stop], len(completed[1])
    first = start % size
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{size}"
    assert answer.headers["content-length"] == str(len(part))


def test_the_last_byte_is_the_last_range(api: httpx.Client, completed: tuple[str, bytes], url: str) -> None:
    size = len(completed[1])
    last = api.get(url, headers={"Range": f"bytes={size - 1}-"})
    assert (last.status_code, last.content) == (206, completed[1][-1:])
    assert last.headers["content-range"] == f"bytes {size - 1}-{size - 1}/{size}"
    behind = api.get(url, headers={"Range": f"bytes={size}-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize("range_header", ["bytes=20000-", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_after_the_end_is_a_416_with_the_size(
    api: httpx.Client, completed: tuple[str, bytes], url: str, code_of: Code, range_header: str
) -> None:
    answer = api.get(url, headers={"Range": range_header})
    assert (answer.status_code, code_of(answer)) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(completed[1])}"


@pytest.mark.parametrize("range_header", ["bytes=5-2", "bytes=-", "bytes=0-1,3-4", "bytes=a-b", "lines=1-2", "x"])
def test_an_invalid_range_gets_the_whole_file(
    api: httpx.Client, completed: tuple[str, bytes], url: str, range_header: str
) -> None:
    answer = api.get(url, headers={"Range": range_header})
    assert (answer.status_code, answer.content) == (200, completed[1])


def test_a_download_resumes_only_if_the_file_is_still_the_same(api: httpx.Client, url: str) -> None:
    tag = api.get(url).headers["etag"]
    assert api.get(url, headers={"Range": "bytes=5-", "If-Range": tag}).status_code == 206
    assert api.get(url, headers={"Range": "bytes=5-", "If-Range": '"other"'}).status_code == 200


def test_a_matching_etag_gets_a_304(api: httpx.Client, url: str) -> None:
    tag = api.get(url).headers["etag"]
    for tags in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = api.get(url, headers={"If-None-Match": tags})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    for tags in ('"other"', f'W/"other", "{tag}"', tag.strip('"'), ""):
        assert api.get(url, headers={"If-None-Match": tags}).status_code == 200


def test_head_has_the_size_without_the_bytes(api: httpx.Client, completed: tuple[str, bytes], url: str) -> None:
    answer = api.head(url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(completed[1]))
    assert answer.headers["etag"]


def test_the_etag_is_the_checksum_of_the_file(api: httpx.Client, completed: tuple[str, bytes]) -> None:
    answer = api.get(f"/v1/videos/{completed[0]}/content")
    assert answer.headers["etag"] == f'"{hashlib.sha256(completed[1]).hexdigest()}"'


def test_redirect_leads_to_a_link_that_needs_no_key(api: httpx.Client, completed: tuple[str, bytes]) -> None:
    answer = api.get(f"/v1/videos/{completed[0]}/content?redirect=1")
    assert answer.status_code == 302
    assert httpx.get(answer.headers["location"], timeout=60).content == completed[1]


@pytest.mark.parametrize("variant", ["nonsense", "Video", ""])
def test_another_variant_is_refused(
    api: httpx.Client, completed: tuple[str, bytes], code_of: Code, variant: str
) -> None:
    answer = api.get(f"/v1/videos/{completed[0]}/content?variant={variant}")
    assert (answer.status_code, code_of(answer), answer.json()["error"]["param"]) == (400, "invalid_request", "variant")


def test_a_video_that_is_not_ready_is_a_409_that_clients_do_not_retry(api: httpx.Client, code_of: Code) -> None:
    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    answer = api.get(f"/v1/videos/{video_id}/content")
    assert (answer.status_code, code_of(answer), answer.headers["x-should-retry"]) == (409, "video_not_ready", "false")


def test_the_content_of_a_failed_video_is_a_409_with_the_reason(
    api: httpx.Client, store: JobStore, code_of: Code
) -> None:
    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    job = store.lease(video_id, "worker-1")
    assert job is not None
    assert job.token is not None
    store.fail(video_id, job.token, failure("worker_lost"))
    answer = api.get(f"/v1/videos/{video_id}/content")
    assert (answer.status_code, code_of(answer)) == (409, "video_not_ready")
    assert failure("worker_lost").message in answer.json()["detail"]


def test_a_file_that_was_removed_is_a_410(
    api: httpx.Client, completed: tuple[str, bytes], url: str, code_of, tmp_path
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
def test_a_modified_link_is_a_403(
    api: httpx.Client, completed: tuple[str, bytes], code_of: Code, old: str, new: str
) -> None:
    link = api.get(f"/v1/videos/{completed[0]}").json()["url"]
    assert old in link
    answer = httpx.get(link.replace(old, new, 1).replace("/../", "/%2e%2e/"), timeout=60)
    assert (answer.status_code, code_of(answer)) == (403, "forbidden")


def test_an_expired_link_is_a_403(api: httpx.Client, settings, completed: tuple[str, bytes], code_of: Code) -> None:
    from jobs.storage.signed_urls import sign_path

    secret = settings.secret_for("signing").encode()
    key = api.get(f"/v1/videos/{completed[0]}").json()["url"].partition("/files/")[2].partition("?")[0]
    assert api.get(sign_path(secret, key, 2**40, "a.mp4")).status_code == 200
    assert api.get(sign_path(secret, key, int(time.time()) + 600, "a.mp4")).status_code == 200
    assert code_of(api.get(sign_path(secret, key, int(time.time()) - 60, "a.mp4"))) == "forbidden"
    assert code_of(api.get(sign_path(b"another secret", key, 2**40, "a.mp4"))) == "forbidden"
    assert code_of(api.get(sign_path(secret, key, 1_000_000, "a.mp4"))) == "forbidden"


@pytest.mark.parametrize("path", ["/files/", "/files/x", "/files/../../etc/passwd", "/files/%2e%2e/%2e%2e/etc/passwd"])
def test_without_a_signature_there_is_no_file(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code in (403, 404)


@pytest.fixture
def with_images(
    store: JobStore, settings: ServiceSettings, completed: tuple[str, bytes]
) -> tuple[str, dict[str, bytes]]:
    """A completed video with the thumbnail and spritesheet of a worker."""
    result = store.get(completed[0]).result
    assert result is not None
    data = {"thumbnail": b"RIFF" + bytes(range(200)), "spritesheet": b"\xff\xd8" + bytes(range(250))}
    for name, content in data.items():
        open_storage(settings).put_bytes(sibling_key(result.video_key, FILES[Variant(name)]), content)
    return completed[0], data


@pytest.mark.parametrize(("variant", "kind"), [("thumbnail", "image/webp"), ("spritesheet", "image/jpeg")])
def test_thumbnail_and_spritesheet_are_served_like_the_video(
    api: httpx.Client, with_images: tuple[str, dict[str, bytes]], variant: str, kind: str
) -> None:
    url, data = f"/v1/videos/{with_images[0]}/content?variant={variant}", with_images[1][variant]
    whole = api.get(url)
    assert (whole.content, whole.headers["content-type"]) == (data, kind)
    assert f"{with_images[0]}-{variant}." in whole.headers["content-disposition"]
    part = api.get(url, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert api.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert api.head(url).headers["content-length"] == str(len(data))
    link = api.get(f"{url}&redirect=1").headers["location"]
    assert httpx.get(link, timeout=60).content == data


def test_the_preview_is_the_latest_one_and_after_completion_the_thumbnail(
    api: httpx.Client,
    store: JobStore,
    settings: ServiceSettings,
    code_of: Code,
    with_images: tuple[str, dict[str, bytes]],
) -> None:
    body = {"prompt": "a", "previews": {"every_steps": 2}}
    video_id = api.post("/v1/videos", json=body).json()["id"]
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
    assert api.get(f"/v1/videos/{with_images[0]}/content?variant=preview").content == with_images[1]["thumbnail"]


@pytest.mark.parametrize("previews", [{}, {"every_steps": 0}, {"every_steps": -1}, {"every_steps": "x"}, "often"])
def test_invalid_previews_are_refused(api: httpx.Client, code_of: Code, previews: object) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a", "previews": previews})
    assert (code_of(answer), answer.json()["error"]["param"].split(".")[0]) == ("invalid_request", "previews")
