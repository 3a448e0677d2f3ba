"""HTTP as monitors, proxies and unusual clients use it: methods, encodings, odd request lines and odd bodies."""

import gzip
import json
import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

Code = Callable[[httpx.Response], str]
JSON = {"Content-Type": "application/json"}
UNSTABLE = {"date", "x-request-id", "content-length"}  # of /metrics, the length changes with the numbers
PATHS = [
    *("/", "/docs", "/openapi.json", "/studio/main.js", "/healthz", "/livez", "/startupz", "/readyz", "/metrics"),
    *("/v1/videos", "/v1/models", "/v1/queue", "/v1/files", "/v1/webhook_endpoints", "/v1/webhook_event_types"),
    *("/v1/videos/{id}", "/v1/videos/{id}/attempts", "/v1/videos/{id}/deliveries", "/v1/videos/{id}/content"),
    *("/v1/videos/{id}/playlist.m3u8", "/v1/models/easyanimate-v3-tiny", "/v1/models/none", "/nothing", "/files/a"),
]


@pytest.fixture(scope="module")
def video_id(shared_api: httpx.Client) -> str:
    return str(shared_api.post("/v1/videos", json={"prompt": "a red fox"}).json()["id"])


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_status_and_headers_of_get_and_no_body(shared_api: httpx.Client, video_id: str, path: str) -> None:
    get, head = (shared_api.request(method, path.replace("{id}", video_id)) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert get.headers["x-content-type-options"] == "nosniff"
    stable = {name: value for name, value in get.headers.items() if name not in UNSTABLE}
    assert {name: value for name, value in head.headers.items() if name not in UNSTABLE} == stable
    if path not in ("/metrics", "/v1/videos/{id}", "/v1/videos", "/nothing"):
        assert head.headers.get("content-length") == get.headers.get("content-length")


def test_head_neither_waits_nor_streams(shared_api: httpx.Client, video_id: str) -> None:
    record = shared_api.head(f"/v1/videos/{video_id}", headers={"Prefer": "wait=50"}, timeout=120)
    assert (record.status_code, "preference-applied" in record.headers) == (200, False)
    events = shared_api.head(f"/v1/videos/{video_id}/events", timeout=120)
    assert (events.status_code, events.content) == (200, b"")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert (events.headers["cache-control"], events.headers["x-accel-buffering"]) == ("no-store", "no")
    assert shared_api.get("/healthz").status_code == 200  # the connection is still in order


def test_head_is_conditional(shared_api: httpx.Client, video_id: str) -> None:
    etag = shared_api.get(f"/v1/videos/{video_id}").headers["etag"]
    answer = shared_api.head(f"/v1/videos/{video_id}", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.headers["etag"]) == (304, etag)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/videos", {"GET", "HEAD", "POST"}),
        ("/v1/videos/{id}", {"GET", "HEAD", "DELETE"}),
        ("/v1/videos/{id}/cancel", {"POST"}),
        ("/v1/files/x", {"GET", "HEAD", "DELETE"}),
        ("/v1/webhook_endpoints/x", {"GET", "HEAD", "POST", "DELETE"}),
        ("/healthz", {"GET", "HEAD"}),
        ("/openapi.json", {"GET", "HEAD"}),
        ("/", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_and_options_list_all_methods(
    shared_api: httpx.Client, video_id: str, path: str, allowed: set[str], code_of: Code
) -> None:
    path = path.replace("{id}", video_id)
    for method in ("PATCH", "PUT", "TRACE"):
        answer = shared_api.request(method, path)
        assert (answer.status_code, code_of(answer)) == (405, "method_not_allowed")
        assert allowed <= set(answer.headers["allow"].split(", "))
    options = shared_api.options(path)
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == answer.headers["allow"]


def test_options_of_an_unknown_path_is_not_found(shared_api: httpx.Client, code_of: Code) -> None:
    assert code_of(shared_api.options("/v1/vidoes")) == "not_found"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize("path", ["/v1/videos/characters", "/v1/videos/characters/char_1"])
def test_characters_do_not_exist(shared_api: httpx.Client, method: str, path: str, code_of: Code) -> None:
    answer = shared_api.request(method, path, data={"name": "a"} if method == "POST" else None)
    assert answer.status_code == 404
    assert method == "HEAD" or code_of(answer) == "not_found"


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "deflate", "identity, gzip", "x-none"])
@pytest.mark.parametrize("path", ["/v1/videos", "/v1/files", "/v1/webhook_endpoints", "/v1/videos/edits"])
def test_a_compressed_body_is_refused(shared_api: httpx.Client, path: str, encoding: str, code_of: Code) -> None:
    form = {"files": {"file": b"a"}, "headers": {"Content-Encoding": encoding}}
    compressed = {"content": gzip.compress(b'{"prompt": "a"}'), "headers": {**JSON, "Content-Encoding": encoding}}
    for content in (form, compressed):
        answer = shared_api.post(path, **content)  # type: ignore[arg-type]
        assert (answer.status_code, code_of(answer)) == (415, "unsupported_media_type")
        assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_without_compression_may_name_identity(shared_api: httpx.Client, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    assert shared_api.post("/v1/videos", json={"prompt": "a"}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'\xef\xbb\xbf{"prompt": "a red fox"}', 200),
        ('{"prompt": "a"}'.encode("utf-16"), 400),
        (b'{"prompt": "\xff"}', 400),
        (b'{"seed": ' + b"9" * 5000 + b', "prompt": "a"}', 400),
        (b'{"seed": -' + b"9" * 400 + b', "prompt": "a"}', 400),
        (b'{"guidance_scale": 1e999, "prompt": "a"}', 400),
        (b'{"prompt": "a",}', 400),
        (b'{"prompt": "a"} {}', 400),
        (b"{'prompt': 1}", 400),
        (b"[" * 100_000, 400),
        (b'{"prompt": {"a": 1}, "seed": []}', 400),
        (b'{"prompt": "a", "metadata": {"a": 1}}', 400),
        (b'{"prompt": "a", "priority": "x"}', 400),
    ],
)
def test_odd_json_is_refused_in_the_words_of_this_service(shared_api: httpx.Client, body: bytes, status: int) -> None:
    answer = shared_api.post("/v1/videos", content=body, headers=JSON)
    assert answer.status_code == status
    if status == 400:
        library = r"int_max_str|utf-8-sig|Expecting|delimiter|codec|Extra data|Input should|pydantic|Exceeds"
        assert not re.search(library, answer.json()["detail"])


def test_the_user_of_other_apis_is_metadata(shared_api: httpx.Client) -> None:
    answer = shared_api.post("/v1/videos", json={"prompt": "a", "user": "u-1"})
    assert answer.json()["error"]["code"] == "unknown_parameter"
    assert "metadata" in answer.json()["detail"]


def test_empty_fields_of_a_form_are_absent(shared_api: httpx.Client) -> None:
    boundary = "--x\r\n"
    part = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    fields = [("prompt", "", "a"), ("seconds", "", ""), ("size", "", ""), ("webhook[url]", "", "")]
    files = [("image", '; filename=""', ""), ("mask", '; filename=""\r\nContent-Type: application/octet-stream', "")]
    body = boundary + boundary.join(part.format(*each) for each in fields + files) + "--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = shared_api.post("/v1/videos", content=body.encode(), headers=headers)
    assert answer.status_code == 200, answer.text


def raw(api: httpx.Client, text: str) -> tuple[int, bytes]:
    """The status of the last response to these bytes on a new connection, and all that was received."""
    url = urlsplit(str(api.base_url))
    with socket.create_connection((url.hostname or "", url.port or 80), timeout=120) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode())
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    return int(re.findall(rb"^HTTP/1.1 (\d+)", received, re.MULTILINE)[-1]), received


END = "Host: localhost\nConnection: close\n"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"GET http://localhost/healthz HTTP/1.1\n{END}\n", 200),  # absolute form
        (f"GET /healthz?a=%zz HTTP/1.1\n{END}\n", 200),
        (f"GET /v1/videos/video%5Fx HTTP/1.1\n{END}\n", 404),
        (f"GET /v1/videos/%00 HTTP/1.1\n{END}\n", 404),
        (f"GET /v1/videos/ HTTP/1.1\n{END}\n", 404),
        (f"get /healthz HTTP/1.1\n{END}\n", 400),
        ("GET /healthz HTTP/1.0\n\n", 200),
        (f"OPTIONS * HTTP/1.1\n{END}\n", 404),
        (f"POST /v1/videos HTTP/1.1\n{END}Content-Length: 0\n\n", 415),
    ],
)
def test_unusual_request_lines_have_an_ordinary_response(shared_api: httpx.Client, text: str, status: int) -> None:
    assert raw(shared_api, text)[0] == status


def test_a_client_that_expects_100_continue_gets_it_before_the_response(shared_api: httpx.Client) -> None:
    body = json.dumps({"prompt": "a red fox"})
    head = f"POST /v1/videos HTTP/1.1\n{END}Content-Type: application/json\nContent-Length: {len(body)}\n"
    status, received = raw(shared_api, f"{head}Expect: 100-continue\n\n{body}")
    assert status == 200
    assert received.startswith(b"HTTP/1.1 100 ")


def test_a_chunked_form_is_read(shared_api: httpx.Client) -> None:
    def pieces() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na red '
        yield b"fox\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert shared_api.post("/v1/videos", content=pieces(), headers=headers).json()["prompt"] == "a red fox"
