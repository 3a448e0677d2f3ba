"""A form becomes the same tree that JSON gives, and a name that fits no tree is refused."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from jobs.errors import InvalidRequest
from service.http.forms import MAX_PARTS, FormFile, read_form


def form(*parts: tuple[str, bytes]) -> bytes:
    lines = [
        b'--x\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value for name, value in parts
    ]
    return b"\r\n".join(lines) + b"\r\n--x--\r\n"


def read(body: bytes) -> dict[str, Any]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    return asyncio.run(read_form("multipart/form-data; boundary=x", stream(), 1_000_000))


def test_brackets_nest_and_empty_ones_list() -> None:
    tree = read(form(("a", b"1"), ("b[c]", b"2"), ("b[d][]", b"3"), ("b[d][]", b"4"), ("e[]", b"5")))
    assert tree == {"a": "1", "b": {"c": "2", "d": ["3", "4"]}, "e": ["5"]}


def test_a_repeated_name_begins_a_new_object_in_a_list() -> None:
    pairs = [("a[][n]", b"1"), ("a[][s]", b"2"), ("a[][n]", b"3")]
    assert read(form(*pairs)) == {"a": [{"n": "1", "s": "2"}, {"n": "3"}]}


def test_text_keeps_every_character() -> None:
    assert read(form(("a", "fuchs 狐\r\n--y".encode()))) == {"a": "fuchs 狐\r\n--y"}


def test_a_part_with_a_filename_is_a_file_whatever_its_type() -> None:
    head = b'Content-Disposition: form-data; name="f"; filename="a"\r\nContent-Type: text/plain'
    assert read(b"--x\r\n" + head + b"\r\n\r\n\xff\x00\r\n--x--") == {"f": FormFile(b"\xff\x00", "a")}


@pytest.mark.parametrize("value", [b"1", b"a long text"])
def test_a_repeated_field_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="a is sent twice"):
        read(form(("a", value), ("a", value)))


def test_empty_fields_and_files_that_are_not_chosen_are_absent() -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
    files = head % (b"image", b"", b"") + head % (b"mask", b"a.png", b"") + head % (b"video", b"", b"1")
    fields = form(("seconds", b""), ("webhook[url]", b""), ("loras[][name]", b""), ("metadata[a]", b""), ("n", b"1"))
    tree = {"mask": FormFile(b"", "a.png"), "video": FormFile(b"1"), "metadata": {"a": ""}, "n": "1"}
    assert read(files + fields) == tree


@pytest.mark.parametrize(
    "body",
    [
        b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
        b"--x\r\nbroken header\r\n\r\n1\r\n--x--",
        b"--x\r\n\r\n1\r\n--x--",
        b"nothing",
    ],
)
def test_a_malformed_form_is_refused_in_the_words_of_this_service(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^(the form is not valid multipart/form-data|the form is cut off)"):
        read(body)


@pytest.mark.parametrize(
    "names", [("a", "a[]"), ("a[]", "a"), ("a", "a[b]"), ("a[b]", "a"), ("a[b]", "a[b][c]"), ("a[]", "a[b]")]
)
def test_one_field_in_two_shapes_is_refused(names: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        read(form(*[(name, b"1") for name in names]))


@pytest.mark.parametrize("name", ["[a]", "a[", "a]", "a[b", "a[b]c", "a[][]", "a[][b][c]", "a[b][c][d][e]", ""])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        read(form((name, b"1")))


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=f"more than {MAX_PARTS} parts"):
        read(form(*[(f"a{i}", b"") for i in range(MAX_PARTS + 1)]))


def test_files_and_fields_together_are_at_most_two_hundred() -> None:
    head = b'Content-Disposition: form-data; name="f%d"; filename="a"'
    files = b"".join(b"--x\r\n" + head % number + b"\r\n\r\n1\r\n" for number in range(MAX_PARTS // 2 + 1))
    fields = form(*((f"g{number}", b"1") for number in range(MAX_PARTS // 2)))
    with pytest.raises(InvalidRequest, match=f"more than {MAX_PARTS} parts"):
        read(files + fields)
