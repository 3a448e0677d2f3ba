"""A form becomes the same tree that JSON gives, and a name that fits no tree is refused."""

import pytest

from jobs.errors import InvalidRequest
from service.http.forms import MAX_PARTS, FormFile, read_multipart


def form(*parts: tuple[str, bytes]) -> bytes:
    lines = [
        b'--x\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value for name, value in parts
    ]
    return b"\r\n".join(lines) + b"\r\n--x--\r\n"


def test_brackets_nest_and_empty_ones_list() -> None:
    tree = read_multipart(form(("a", b"1"), ("b[c]", b"2"), ("b[d][]", b"3"), ("b[d][]", b"4"), ("e[]", b"5")), b"x")
    assert tree == {"a": "1", "b": {"c": "2", "d": ["3", "4"]}, "e": ["5"]}


def test_objects_in_a_list_begin_anew_when_a_name_comes_again() -> None:
    pairs = [("a[][n]", b"1"), ("a[][s]", b"2"), ("a[][n]", b"3")]
    assert read_multipart(form(*pairs), b"x") == {"a": [{"n": "1", "s": "2"}, {"n": "3"}]}


def test_text_keeps_every_character() -> None:
    assert read_multipart(form(("a", "fuchs 狐\r\n--y".encode())), b"x") == {"a": "fuchs 狐\r\n--y"}


def test_a_part_with_a_filename_is_a_file_whatever_its_type() -> None:
    head = b'Content-Disposition: form-data; name="f"; filename="a"\r\nContent-Type: text/plain'
    assert read_multipart(b"--x\r\n" + head + b"\r\n\r\n\xff\x00\r\n--x--", b"x") == {"f": FormFile(b"\xff\x00", "a")}


@pytest.mark.parametrize("value", [b"", b"1", b"a long text"])
def test_a_field_that_is_there_twice_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="a is there twice"):
        read_multipart(form(("a", value), ("a", value)), b"x")


@pytest.mark.parametrize(
    "names", [("a", "a[]"), ("a[]", "a"), ("a", "a[b]"), ("a[b]", "a"), ("a[b]", "a[b][c]"), ("a[]", "a[b]")]
)
def test_two_shapes_of_one_field_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        read_multipart(form(*[(name, b"1") for name in names]), b"x")


@pytest.mark.parametrize("name", ["[a]", "a[", "a]", "a[b", "a[b]c", "a[][]", "a[][b][c]", "a[b][c][d][e]", ""])
def test_a_name_that_fits_no_tree_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        read_multipart(form((name, b"1")), b"x")


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="too many parts"):
        read_multipart(form(*[(f"a{i}", b"") for i in range(MAX_PARTS + 1)]), b"x")
