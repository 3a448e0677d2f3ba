"""Proxies of the environment: never for this machine; a setting that cannot be used is one sentence."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cli.client.client import Client
from cli.client.errors import ClientError
from cli.settings import ClientSettings
from jobs.settings import S3Settings
from jobs.storage.s3_client import open_client

RECORD = {"id": "video_1", "status": "queued", "state": "queued", "progress": 0}


class Service(BaseHTTPRequestHandler):
    """Answers each request with a record."""

    def do_GET(self) -> None:
        body = json.dumps(RECORD).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(
    params=[
        {"HTTP_PROXY": "http://127.0.0.1:9"},
        {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "internal,fd00::/8"},
        {"HTTP_PROXY": "not a url"},
    ],
    ids=lambda proxies: " ".join(f"{name}={value}" for name, value in proxies.items()),
)
def proxies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("proxies")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_service_on_this_machine_is_reached_without_a_proxy(port: int, host: str) -> None:
    with Client(ClientSettings(url=f"http://{host}:{port}")) as client:
        assert client.get("video_1") == RECORD


@pytest.mark.usefixtures("proxies")
def test_an_object_store_on_this_machine_is_reached_without_a_proxy(port: int) -> None:
    settings = S3Settings.model_validate({"access_key_id": "key", "secret_access_key": "not-a-real-secret"})
    client = open_client(settings, f"http://127.0.0.1:{port}", tries=1, timeout_s=60)
    assert client.head_bucket(Bucket="videos")["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(("name", "value"), [("ALL_PROXY", "socks5://127.0.0.1:9"), ("NO_PROXY", "fd00::/8")])
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    with pytest.raises(ClientError, match=r"a proxy of the environment .* cannot be used"):
        Client(ClientSettings(url="https://videos.example"))
