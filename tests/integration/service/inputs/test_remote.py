"""Linked images and videos are fetched before the job is accepted, from public addresses only."""

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from PIL import Image

from jobs.model.job import Job
from jobs.outbound_http import OutboundClient
from jobs.storage.factory import open_storage
from service.http.errors import ApiError
from service.inputs import concurrency
from service.inputs.kinds import IMAGE
from service.inputs.remote import RemoteFetcher
from service.settings import ServiceSettings


def picture(width: int = 32, height: int = 16, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, form)
    return out.getvalue()


class FileServer:
    """A real file server; /wait blocks until `released` is set."""

    def __init__(self) -> None:
        self.files = {
            "/a.png": picture(),
            "/b.jpg": picture(form="JPEG"),
            "/page": b"<html>a cat",
            "/big": bytes(10**6),
        }
        self.files["/many"] = picture(3000, 1000)
        self.released = threading.Event()
        self.requests: list[str] = []
        file_server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                file_server.requests.append(self.path)
                if self.path == "/wait":
                    file_server.released.wait(240)
                data = file_server.files.get(self.path)
                self.send_response(200 if data else 302 if self.path == "/moved" else 404)
                self.send_header("content-type", "text/html")  # wrong, as it often is
                self.send_header("location", "/a.png")
                self.send_header("content-length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=[0.05], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.released.set()
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def settings(settings: ServiceSettings) -> ServiceSettings:
    """Settings that allow private addresses, the only ones in this test."""
    return settings.model_copy(update={"fetch_allow_private": True, "body_limit_bytes": 500_000})


@pytest.mark.parametrize("path", ["/a.png", "/b.jpg", "/moved"])
def test_a_linked_image_is_fetched_and_stored(
    api: httpx.Client, stored: Callable[[str], Job], settings: ServiceSettings, file_server: FileServer, path: str
) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a", "input_reference": {"image_url": file_server.url + path}})
    assert answer.status_code == 200, answer.text
    key = stored(answer.json()["id"]).request.image_key
    assert key is not None
    kept = b"".join(open_storage(settings).read(key, 0, 10**6))
    with Image.open(io.BytesIO(kept)) as image:
        assert (image.format, image.size) == ("PNG", (32, 16))


def test_links_in_a_form_are_fetched(api: httpx.Client, stored: Callable[[str], Job], file_server: FileServer) -> None:
    form = {"prompt": "a", "image": f"{file_server.url}/a.png", "last_image[image_url]": f"{file_server.url}/b.jpg"}
    request = stored(
        api.post("/v1/videos", files={name: (None, value) for name, value in form.items()}).json()["id"]
    ).request
    assert request.image_key
    assert request.last_image_key


@pytest.mark.parametrize(
    ("path", "code", "word"),
    [
        ("/gone", "image_fetch_failed", "404"),
        ("/big", "image_fetch_failed", "larger than 500000 bytes"),
        ("/page", "unsupported_image", "HTML"),
        ("/many", "unsupported_image", "1000000"),
    ],
)
def test_a_link_without_an_image_is_refused_and_creates_no_job(
    api: httpx.Client,
    code_of: Callable[[httpx.Response], str],
    file_server: FileServer,
    path: str,
    code: str,
    word: str,
) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a", "image": file_server.url + path})
    assert (answer.status_code, code_of(answer)) == (400, code)
    assert answer.json()["error"]["param"] == "image"
    assert word in answer.json()["detail"]
    assert api.get("/v1/videos").json()["data"] == []


def test_invalid_fields_are_refused_before_a_fetch(api: httpx.Client, file_server: FileServer) -> None:
    answer = api.post("/v1/videos", json={"prompt": "a", "image": f"{file_server.url}/a.png", "num_frames": 7})
    assert (answer.status_code, file_server.requests) == (400, [])


def test_a_link_without_a_video_is_refused(
    api: httpx.Client, code_of: Callable[[httpx.Response], str], file_server: FileServer
) -> None:
    for path, code in (("/gone", "video_fetch_failed"), ("/a.png", "unsupported_video")):
        answer = api.post("/v1/videos/edits", json={"prompt": "a", "video": {"video_url": file_server.url + path}})
        assert (answer.status_code, code_of(answer)) == (400, code)


def test_slow_servers_of_one_caller_do_not_block_others(file_server: FileServer) -> None:
    fetcher = RemoteFetcher(OutboundClient(allow_private=True, timeout_s=60), 1000, concurrency.ConcurrencyLimiter())
    url, ended = f"{file_server.url}/wait", threading.Semaphore(0)

    def fetch() -> None:
        try:
            fetcher.fetch("one", url, "image", IMAGE)
        except Exception:  # noqa: BLE001 - it is a 404 in the end
            ended.release()

    for _ in range(concurrency.MAX_CONCURRENT_PER_CALLER):
        threading.Thread(target=fetch, daemon=True).start()
    while len(file_server.requests) < concurrency.MAX_CONCURRENT_PER_CALLER:
        threading.Event().wait(0.01)
    with pytest.raises(ApiError) as refusal:
        fetcher.fetch("one", f"{file_server.url}/a.png", "image", IMAGE)
    assert (refusal.value.code, refusal.value.headers) == ("rate_limited", {"Retry-After": "5"})
    assert fetcher.fetch("another", f"{file_server.url}/a.png", "image", IMAGE) == picture()
    file_server.released.set()
    for _ in range(concurrency.MAX_CONCURRENT_PER_CALLER):
        assert ended.acquire(timeout=240)
    assert fetcher.fetch("one", f"{file_server.url}/a.png", "image", IMAGE) == picture()
