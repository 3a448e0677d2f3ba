"""A signed link opens its own object until it expires, and nothing else."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.storage.signed_urls import is_signed, sign_path

SECRET = b"a secret"


def is_accepted(path: str, now: float, secret: bytes = SECRET) -> bool:
    """Whether a front end accepts the link."""
    parts = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    key = unquote(parts.path.removeprefix("/files/"))
    return is_signed(secret, key, int(query["expires"]), query["filename"], query["signature"], now)


@given(key=st.text(min_size=1), filename=st.text())
def test_a_link_opens_its_own_object(key: str, filename: str) -> None:
    assert is_accepted(sign_path(SECRET, key, 1000, filename), now=999.9)


def test_a_link_expires() -> None:
    assert not is_accepted(sign_path(SECRET, "a/b.mp4", 1000, "b.mp4"), now=1000)


def test_a_link_with_another_secret_is_refused() -> None:
    assert not is_accepted(sign_path(b"another", "a/b.mp4", 1000, "b.mp4"), now=0)


@pytest.mark.parametrize(
    "change",
    [("a/b.mp4", "a/c.mp4"), ("expires=1000", "expires=9999"), ("filename=b.mp4", "filename=evil.html")],
)
def test_a_changed_link_is_refused(change: tuple[str, str]) -> None:
    path = sign_path(SECRET, "a/b.mp4", 1000, "b.mp4")
    assert path.count(change[0]) == 1
    assert not is_accepted(path.replace(*change), now=0)


@pytest.mark.parametrize("signature", ["", "0" * 64, "é", "A" * 64])
def test_an_invented_signature_is_refused(signature: str) -> None:
    assert not is_signed(SECRET, "a", 1000, "b", signature, 0)


@given(st.text(), st.text(), st.integers(0, 10**10))
def test_the_parts_of_a_link_cannot_be_moved_into_each_other(key: str, filename: str, expires_at: int) -> None:
    path = sign_path(SECRET, f"{key}\n{expires_at}", 5, filename)
    signature = parse_qs(urlsplit(path).query)["signature"][0]
    assert not is_signed(SECRET, key, expires_at, f"5\n{filename}", signature, 0)
