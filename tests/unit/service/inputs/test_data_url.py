"""`data:` URLs as programs write them: line breaks, both alphabets of base64, percent-encoding."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import InvalidRequest
from service.inputs.data_url import decode_data_url
from service.inputs.kinds import IMAGE, VIDEO

DATA = bytes(range(256)) + b"\xfb\xff\xfe" * 9
PLAIN = base64.b64encode(DATA).decode()

FORMS = {
    "plain": f"data:image/png;base64,{PLAIN}",
    "lines of MIME": f"data:image/png;base64,{base64.encodebytes(DATA).decode()}",
    "lines of Windows": "data:image/png;base64,\r\n" + PLAIN[:76] + "\r\n" + PLAIN[76:] + "\r\n",
    "spaces and tabs": f" data:image/png;base64, {PLAIN[:9]} \t{PLAIN[9:]}\n",
    "URL-safe": f"data:image/png;base64,{base64.urlsafe_b64encode(DATA).decode()}",
    "without padding": f"data:image/png;base64,{PLAIN.rstrip('=')}",
    "percent-encoded base64": f"data:image/png;base64,{quote(PLAIN, safe='')}",
    "percent-encoded lines": f"data:image/png;base64,{PLAIN[:40]}%0D%0A{PLAIN[40:]}",
    "percent-encoded bytes": f"data:image/png,{quote(DATA)}",
    "without a type": f"data:;base64,{PLAIN}",
    "with parameters": f"data:image/png;charset=utf-8;base64,{PLAIN}",
    "with a space in the header": f"data:image/png; base64,{PLAIN}",
    "upper case": f"DATA:image/PNG;BASE64,{PLAIN}",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_content(form: str) -> None:
    assert decode_data_url(FORMS[form], "image", IMAGE) == DATA


@given(st.binary(max_size=100))
def test_any_bytes_are_decoded_exactly(data: bytes) -> None:
    for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data), base64.encodebytes(data)):
        assert decode_data_url(f"data:;base64,{encoded.decode()}", "image", IMAGE) == data


@pytest.mark.parametrize(
    "url", ["data:", "data:image/png", "data:;base64,!!", "data:;base64,é", "data:;base64,A", "data:,abc"]
)
def test_what_is_no_data_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(InvalidRequest, match="send data:video/mp4;base64,…") as refusal:
        decode_data_url(url, "video", VIDEO)
    assert (refusal.value.code, refusal.value.param) == ("unsupported_video", "video")
