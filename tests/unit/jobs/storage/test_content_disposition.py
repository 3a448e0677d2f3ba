"""The file name of a download in both forms of RFC 6266."""

from email.message import Message
from urllib.parse import unquote

import pytest

from jobs.storage.content_disposition import attachment


@pytest.mark.parametrize(
    ("filename", "plain"),
    [
        ("a red fox.mp4", "a red fox.mp4"),
        ("fuchs 狐.mp4", "fuchs _.mp4"),
        ('a "b" \\ c/100%.png', "a _b_ _ c_100_.png"),
        ("a\r\nSet-Cookie: b.mp4", "a__Set-Cookie: b.mp4"),
        ("", ""),
    ],
)
def test_both_forms_have_the_name(filename: str, plain: str) -> None:
    header = attachment(filename)
    assert header.isascii()
    assert header.isprintable()
    first, extended = header.removeprefix("attachment; ").split("; filename*=UTF-8''")
    assert first == f'filename="{plain}"'
    assert unquote(extended) == filename
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
