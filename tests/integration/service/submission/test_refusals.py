"""A wrong request is refused at once, with a 4xx, a stable code, the parameter and what would work."""

import io
import json
import struct
import threading
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from service.http.fields import validate
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.parts import WebhookBody
from service.settings import ServiceSettings
from tests.job_store import JobStore


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + b64encode(data).decode()


def png(width: int, height: int, announced: tuple[int, int] | None = None) -> bytes:
    """A black PNG. Its header may name another size than it has, so that no large image is encoded."""
    out = io.BytesIO()
    Image.new("1", (width, height)).save(out, "PNG")
    if announced is None:
        return out.getvalue()
    header = b"IHDR" + struct.pack(">II", *announced) + out.getvalue()[24:29]
    return out.getvalue()[:12] + header + struct.pack(">I", zlib.crc32(header)) + out.getvalue()[33:]


WHOLE_NUMBERS = ("width", "height", "num_frames", "fps", "num_inference_steps", "seed")
NO_NUMBERS = [
    "abc",
    "",
    " ",
    "NaN",
    "Infinity",
    "-inf",
    "1e999",
    "0x10",
    "1_0",
    "１",
    True,
    False,
    [],
    {},
    [1],
    10**400,
]

WRONG = [
    # (fields beside a good prompt, code, param, a word of the message)
    ({"prompt": ""}, "invalid_request", "prompt", "blank"),
    ({"prompt": " \n\t"}, "invalid_request", "prompt", "blank"),
    ({"prompt": "一只可爱的猫"}, "prompt_not_understood", "prompt", "English"),
    ({"prompt": None}, "invalid_request", "prompt", "missing"),
    ({"prompt": "x" * 32_001}, "invalid_request", "prompt", "32000"),
    ({"prompt": "x" * 40_000}, "invalid_request", "prompt", "32000"),
    ({"prompt": 7}, "invalid_request", "prompt", "text"),
    ({"prompt": ["a"]}, "invalid_request", "prompt", "text"),
    ({"prompt": "\ud800"}, "invalid_request", "prompt", "surrogate"),
    ({"negative_prompt": "x" * 32_001}, "invalid_request", "negative_prompt", "32000"),
    ({"negative_prompt": {}}, "invalid_request", "negative_prompt", "text"),
    ({"promt": "a"}, "unknown_parameter", "promt", "prompt"),
    ({"guidance": 3}, "unknown_parameter", "guidance", "guidance_scale"),
    ({"steps": 3}, "unknown_parameter", "steps", "num_inference_steps"),
    ({"\ud800": 3}, "unknown_parameter", "\ud800", "prompt"),
    ({"x" * 100_000: 3}, "unknown_parameter", "x" * 100, "prompt"),
    ({"model": "sora-2"}, "model_not_found", "model", "easyanimate-v3-tiny"),
    ({"model": ""}, "model_not_found", "model", "easyanimate-v3-tiny"),
    ({"model": 1}, "invalid_request", "model", "text"),
    ({"size": "720x1280"}, "invalid_size", "size", "nearest"),
    ({"size": "100x128"}, "invalid_size", "size", "multiple of 16"),
    ({"size": "0x0"}, "invalid_size", "size", "nearest"),
    ({"size": "128"}, "invalid_size", "size", "WIDTHxHEIGHT"),
    ({"size": "axb"}, "invalid_size", "size", "WIDTHxHEIGHT"),
    ({"size": "-128x128"}, "invalid_size", "size", "WIDTHxHEIGHT"),
    ({"size": 128}, "invalid_request", "size", "text"),
    ({"size": "9" * 10_000}, "invalid_request", "size", "characters"),
    ({"size": "128x128", "width": 160, "height": 128}, "invalid_size", "size", "one of them"),
    ({"width": 128}, "invalid_request", "height", "together"),
    ({"height": 128}, "invalid_request", "width", "together"),
    ({"width": 10**9, "height": 10**9}, "invalid_size", "size", "nearest"),
    ({"width": -16, "height": 128}, "invalid_size", "size", "nearest"),
    ({"num_frames": 17}, "invalid_seconds", "num_frames", "nearest is 16"),
    ({"num_frames": 0}, "invalid_seconds", "num_frames", "nearest"),
    ({"num_frames": 1448}, "invalid_seconds", "num_frames", "1440"),
    ({"num_frames": 16.5}, "invalid_request", "num_frames", "whole"),
    ({"seconds": 0}, "invalid_seconds", "seconds", "more than 0"),
    ({"seconds": "-4"}, "invalid_seconds", "seconds", "more than 0"),
    ({"seconds": 1e6}, "invalid_seconds", "seconds", "60"),
    ({"seconds": 4, "num_frames": 16}, "invalid_seconds", "seconds", "not both"),
    ({"fps": 8}, "invalid_request", "fps", "24"),
    ({"num_inference_steps": 0}, "invalid_request", "num_inference_steps", "1 or more"),
    ({"num_inference_steps": 201}, "invalid_request", "num_inference_steps", "200"),
    ({"num_inference_steps": 3, "scheduler": "pndm"}, "invalid_request", "num_inference_steps", "pndm"),
    ({"scheduler": "heun"}, "invalid_request", "scheduler", "euler"),
    ({"guidance_scale": -0.1}, "invalid_request", "guidance_scale", "0 or more"),
    ({"guidance_scale": 20.1}, "invalid_request", "guidance_scale", "at most 20"),
    ({"seed": -1}, "invalid_request", "seed", "0 or more"),
    ({"seed": 2**63}, "invalid_request", "seed", "at most"),
    *[({name: wrong}, "invalid_request", name, "whole") for name in WHOLE_NUMBERS for wrong in NO_NUMBERS],
    *[({name: no}, "invalid_request", name, "finite") for name in ("seconds", "guidance_scale") for no in NO_NUMBERS],
    ({"metadata": "abc"}, "invalid_request", "metadata", "object"),
    ({"metadata": ["a"]}, "invalid_request", "metadata", "object"),
    ({"metadata": "{broken"}, "invalid_request", None, "JSON"),
    ({"metadata": {str(i): "x" for i in range(17)}}, "invalid_request", "metadata", "16"),
    ({"metadata": {"k" * 65: "x"}}, "invalid_request", "metadata.key", "64"),
    ({"metadata": {"": "x"}}, "invalid_request", "metadata", "text"),
    ({"metadata": {"k": "x" * 513}}, "invalid_request", "metadata.k", "512"),
    ({"metadata": {"k": 1}}, "invalid_request", "metadata.k", "text"),
    ({"metadata": {"k": {"deep": 1}}}, "invalid_request", "metadata.k", "text"),
    ({"webhook": "https://example.com"}, "invalid_request", "webhook", "object"),
    ({"webhook": {}}, "invalid_request", "webhook.url", "missing"),
    ({"webhook": {"url": "http://93.184.216.34/"}}, "url_not_allowed", "webhook.url", "https"),
    ({"webhook": {"url": "https://127.0.0.1/"}}, "url_not_allowed", "webhook.url", "public"),
    ({"webhook": {"url": "https://[::1]/"}}, "url_not_allowed", "webhook.url", "public"),
    ({"webhook": {"url": "https://169.254.169.254/latest"}}, "url_not_allowed", "webhook.url", "public"),
    ({"webhook": {"url": "https://user:pass@93.184.216.34/"}}, "url_not_allowed", "webhook.url", "credentials"),
    ({"webhook": {"url": "file:///etc/passwd"}}, "url_not_allowed", "webhook.url", "https"),
    ({"webhook": {"url": "not a url"}}, "url_not_allowed", "webhook.url", "https"),
    ({"webhook": {"url": "https://" + "a" * 3000}}, "invalid_request", "webhook.url", "2048"),
    ({"webhook": {"url": "https://93.184.216.34", "events": []}}, "invalid_request", "webhook.events", "empty"),
    ({"webhook": {"url": "https://93.184.216.34", "events": ["done"]}}, "invalid_request", "webhook.events", "must be"),
    ({"webhook": {"url": "https://93.184.216.34", "events": [1]}}, "invalid_request", "webhook.events", "must be"),
    ({"webhook": {"url": "https://93.184.216.34", "secret": "abc"}}, "invalid_request", "webhook.secret", "whsec_"),
    ({"webhook": {"url": "https://93.184.216.34", "secret": "whsec_é"}}, "invalid_request", "webhook.secret", "base64"),
    ({"webhook": {"url": "https://93.184.216.34", "event": []}}, "unknown_parameter", "webhook.event", "events"),
    ({"image": "gopher://example.com/a.png"}, "unsupported_image", "image", "file part"),
    ({"image": "http://example.com/a.png"}, "url_not_allowed", "image", "public https"),
    ({"image": "https://localhost/a.png"}, "url_not_allowed", "image", "public https"),
    ({"image": "HTTPS://0x7f.1/a.png"}, "url_not_allowed", "image", "public https"),
    ({"image": "https://" + "a" * 3000}, "invalid_request", "image", "2048"),
    ({"image": {"image_url": "https://[fd00::1]/"}}, "url_not_allowed", "image.image_url", "public https"),
    ({"image": {}}, "invalid_request", "image", "one of image_url and file_id"),
    ({"image": {"image_url": 7}}, "unsupported_image", "image.image_url", "https link"),
    ({"image": "/etc/passwd"}, "unsupported_image", "image", "file part"),
    ({"image": 7}, "unsupported_image", "image", "file part"),
    ({"image": ["/etc/passwd"]}, "unsupported_image", "image", "send one image"),
    ({"input_reference": {"file_id": "file-1"}}, "file_not_found", "input_reference.file_id", "POST /v1/files"),
    ({"input_reference": "file-1"}, "file_not_found", "input_reference", "POST /v1/files"),
    ({"input_reference": {"path": "/etc"}}, "unknown_parameter", "input_reference.path", "image_url"),
    ({"image": data_url(png(8, 8)), "input_reference": data_url(png(8, 8))}, "invalid_request", "image", "send one"),
    ({"image": "data:image/png,abc"}, "unsupported_image", "image", "base64"),
    ({"image": "data:image/png;base64,!!"}, "unsupported_image", "image", "data: URL"),
    ({"image": "data:image/png;base64,é"}, "unsupported_image", "image", "data: URL"),
    ({"image": data_url(b"")}, "unsupported_image", "image", "PNG"),
    ({"image": data_url(b"just text")}, "unsupported_image", "image", "PNG"),
    ({"image": data_url(png(64, 64)[:50])}, "unsupported_image", "image", "damaged"),
    ({"image": data_url(png(2000, 2000))}, "unsupported_image", "image", "1000000"),
    ({"image": data_url(png(8, 8, announced=(30_000, 30_000)))}, "unsupported_image", "image", "1000000"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "code", "param", "word"), WRONG, ids=lambda value: repr(value)[:40])
def test_a_wrong_field_is_refused_by_name(
    shared_api: httpx.Client, code_of: Callable[[httpx.Response], str], fields, code: str, param: str | None, word: str
) -> None:
    body = json.dumps({"prompt": "a red fox", **fields})
    answer = shared_api.post("/v1/videos", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == (404 if code in ("model_not_found", "file_not_found") else 400)
    assert code_of(answer) == code
    assert answer.json()["error"]["param"] == param
    assert word in answer.json()["detail"]


BOUNDARY = "multipart/form-data; boundary=b"


def part(name: str, value: bytes, more: str = "") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"' + more.encode() + b"\r\n\r\n" + value


def form(*parts: bytes) -> bytes:
    return b"\r\n".join(parts) + b"\r\n--b--\r\n"


BODIES = [
    ("application/json", b"", 400, "invalid_request"),
    ("application/json", b"{", 400, "invalid_request"),
    ("application/json", b"[]", 400, "invalid_request"),
    ("application/json", b'"prompt"', 400, "invalid_request"),
    ("application/json", b"null", 400, "invalid_request"),
    ("application/json", b'{"prompt": "\xff"}', 400, "invalid_request"),
    ("application/json", b'{"prompt": "a", "prompt": "b"}', 400, "invalid_request"),
    ("application/json", b'{"prompt": "a", "metadata": {"k": "a", "k": "b"}}', 400, "invalid_request"),
    ("application/json", b'{"prompt": "a", "seed": NaN}', 400, "invalid_request"),
    ("application/json", b'{"prompt": "a", "guidance_scale": Infinity}', 400, "invalid_request"),
    ("application/json", b'{"prompt": "a", "guidance_scale": 1e999}', 400, "invalid_request"),
    ("application/json", b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}", 400, "invalid_request"),
    ("application/json", b"[" * 100_000, 400, "invalid_request"),
    ("application/json", b'{"a":' * 100_000, 400, "invalid_request"),
    ("application/json", b'{"prompt": "a", "metadata": ' + b"[" * 900 + b"]" * 900 + b"}", 400, "invalid_request"),
    ("application/json", b'{"prompt": "a", "metadata": "' + b"[" * 100_000 + b'"}', 400, "invalid_request"),
    ("", b'{"prompt": "a"}', 415, "unsupported_media_type"),
    ("text/plain", b'{"prompt": "a"}', 415, "unsupported_media_type"),
    ("application/x-www-form-urlencoded", b"prompt=a", 415, "unsupported_media_type"),
    ("application/octet-stream", b"\x00", 415, "unsupported_media_type"),
    ("multipart/form-data", b"", 400, "invalid_request"),
    ("multipart/form-data; boundary=" + "x" * 1000, b"", 400, "invalid_request"),
    (BOUNDARY, b"", 400, "invalid_request"),
    (BOUNDARY, b"garbage", 400, "invalid_request"),
    (BOUNDARY, part("prompt", b"cut off"), 400, "invalid_request"),
    (BOUNDARY, b"--b\r\n\r\nno name\r\n--b--\r\n", 400, "invalid_request"),
    (BOUNDARY, b"--b\r\nbad header\r\n\r\nx\r\n--b--\r\n", 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"\xff\xfe")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("prompt", b"a")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("prompt[]", b"a")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("metadata[k]", b"a"), part("metadata", b"{}")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("metadata", b"{}"), part("metadata[k]", b"a")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("metadata[a", b"a")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("metadata[][a]", b"a")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("a[b][c][d][e][f]", b"a")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("x" * 300, b"a")), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("x", b"a")), 400, "unknown_parameter"),
    (BOUNDARY, form(*[part(f"metadata[{i}]", b"a") for i in range(1000)]), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a", '; filename="p.txt"')), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("seed", b"", '; filename="p"')), 400, "invalid_request"),
    (BOUNDARY, form(part("prompt", b"a"), part("image", b"hello", '; filename="p.png"')), 400, "unsupported_image"),
    (BOUNDARY, form(part("prompt", b"a"), part("image", b"", '; filename="p.png"')), 400, "unsupported_image"),
    (BOUNDARY, form(part("prompt", b"a"), part("image", b"\x89PNG\r\n\x1a\n")), 400, "invalid_request"),
]  # fmt: skip


@pytest.mark.parametrize(("content_type", "body", "status", "code"), BODIES, ids=lambda value: repr(value)[:40])
def test_a_broken_body_is_refused(
    shared_api: httpx.Client, code_of: Callable[[httpx.Response], str], content_type: str, body, status: int, code: str
) -> None:
    answer = shared_api.post("/v1/videos", content=body, headers={"content-type": content_type} if content_type else {})
    assert (answer.status_code, code_of(answer)) == (status, code)


def test_a_body_over_the_limit_is_refused_by_its_length(settings, start_api, announced, code_of) -> None:
    url = start_api(settings.model_copy(update={"body_limit_bytes": 1000}))
    answer = httpx.post(f"{url}/v1/videos", json={"prompt": "x" * 2000}, timeout=60)
    assert (answer.status_code, code_of(answer)) == (413, "payload_too_large")


def test_a_chunked_body_over_the_limit_is_refused_while_it_is_read(settings, start_api, announced, code_of) -> None:
    url = start_api(settings.model_copy(update={"body_limit_bytes": 1000}))

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    answer = httpx.post(f"{url}/v1/videos", content=pieces(), headers={"content-type": "application/json"}, timeout=60)
    assert (answer.status_code, code_of(answer)) == (413, "payload_too_large")


def test_a_refused_request_is_not_queued(api: httpx.Client, store: JobStore) -> None:
    api.post("/v1/videos", json={"prompt": ""})
    assert store.queue_depth("easyanimate-v3-tiny") == 0


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
LIKELY = st.sampled_from(["128x128", "euler", "1", "8", "0.5", "1e3", "whsec_", "data:image/png;base64,", "{}", "[]"])
ADDRESSES = st.text(max_size=20).map(lambda rest: f"https://127.0.0.1/{rest}") | st.text(max_size=20)
HOOKS = st.fixed_dictionaries(
    {}, optional={name: ANY_JSON for name in WebhookBody.model_fields if name != "url"} | {"url": ADDRESSES}
)
FIELDS = {name: ANY_JSON | LIKELY for name in CreateVideo.model_fields if name != "webhook"} | {
    "webhook": HOOKS,
    "oops": ANY_JSON,
}


@hypothesis_settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(fields=st.fixed_dictionaries({}, optional=FIELDS))
def test_no_json_value_in_any_field_is_a_500(shared_api: httpx.Client, fields: dict[str, object]) -> None:
    body = json.dumps({"prompt": "a", **fields}).encode("utf-8", "surrogatepass")
    answer = shared_api.post("/v1/videos", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 400, 404), answer.text


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from([*CreateVideo.model_fields, "metadata[a]", "webhook[url]", "x[]"]), st.binary(max_size=40)
        )
    )
)
def test_no_form_is_a_500(shared_api: httpx.Client, pairs: list[tuple[str, bytes]]) -> None:
    body = form(*[part(name, value) for name, value in pairs])
    answer = shared_api.post("/v1/videos", content=body, headers={"content-type": BOUNDARY})
    assert answer.status_code in (200, 400, 404), answer.text


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=300), kind=st.sampled_from(["application/json", BOUNDARY, "image/png"]))
def test_no_bytes_are_a_500(shared_api: httpx.Client, body: bytes, kind: str) -> None:
    answer = shared_api.post("/v1/videos", content=body, headers={"content-type": kind})
    assert answer.status_code in (400, 415), answer.text


def test_a_form_without_a_boundary_is_refused(shared_api: httpx.Client) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary="}
    response = shared_api.post("/v1/videos", content=b"--\r\n\r\n1\r\n----", headers=headers)
    assert response.status_code == 400
    assert "lacks its boundary" in response.json()["detail"]


@pytest.mark.parametrize("as_text", [False, True])
def test_too_many_pairs_of_metadata_are_refused_before_their_values(shared_api: httpx.Client, as_text: bool) -> None:
    metadata = {f"k{number}": number for number in range(17)}  # the values are no text
    body = {"prompt": "a ball", "metadata": json.dumps(metadata) if as_text else metadata}
    error = shared_api.post("/v1/videos", json=body).json()["error"]
    assert error["param"] == "metadata"
    assert "at most 16" in error["message"]


def test_the_name_of_a_refused_pair_is_that_of_the_caller(shared_api: httpx.Client) -> None:
    error = shared_api.post("/v1/videos", json={"prompt": "a ball", "metadata": {"[key]": 1}}).json()["error"]
    assert error["param"] == "metadata.[key]"


def test_a_long_body_is_checked_in_a_thread(
    settings: ServiceSettings, announced: object, start_api: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def record(*values: Any) -> Any:
        threads.append(threading.current_thread().name)
        return validate(*values)

    monkeypatch.setattr("service.routes.videos.create.validate", record)
    url = start_api(settings)
    for length in (10, 20_000):
        body = {"prompt": "a" * length, "num_frames": 8, "size": "64x64"}
        assert httpx.post(f"{url}/v1/videos", json=body, timeout=120).status_code == 200
    assert [name.startswith("AnyIO worker") for name in threads] == [False, True]
