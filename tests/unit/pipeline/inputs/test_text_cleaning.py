"""Cleaning of unusual prompts."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from easyanimate.text_cleaning import clean_prompt

LONGEST = 32_000  # characters the service takes


@given(st.text(max_size=200))
def test_any_text_becomes_one_line_of_lower_case(text: str) -> None:
    cleaned = clean_prompt(text)
    assert cleaned == cleaned.strip()
    assert "\n" not in cleaned


@given(st.lists(st.sampled_from(["a", "cat", "sits", "on", "red", "grass"]), min_size=1, max_size=30))
def test_plain_words_are_left_alone(words: list[str]) -> None:
    assert clean_prompt(" ".join(words)) == " ".join(words)


@pytest.mark.timeout(60)  # each of these once took a quadratic number of steps: minutes
@pytest.mark.parametrize(
    "pattern", ["<a ", "a.", "a-", " ", "x", "<!--", "1", ".", "<![", "&lt;", "<b>", "@a", "a1", "'", "http://"]
)
def test_a_hostile_prompt_is_cleaned_quickly(pattern: str) -> None:
    clean_prompt("x" + pattern * (LONGEST // len(pattern)) + "x")
    clean_prompt("x" + pattern * (LONGEST // len(pattern)) + ">")


def test_an_unclosed_declaration_is_text() -> None:
    assert "cat" in clean_prompt("a cat <![ and <a dog")


def test_cleaning_in_many_threads_leaves_the_filters_of_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    prompts = ["a <b>cat</b>", "cat &amp; dog.mp4", "&www.cats.com/index", "a plain cat"] * 100
    with ThreadPoolExecutor(6) as threads:
        cleaned = list(threads.map(clean_prompt, prompts))
    assert cleaned == [clean_prompt(prompt) for prompt in prompts]
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    "text", ["", " ", "a cat\r\nand\ta dog", "a > b >> c", "\x00\x0b\u2028 x", "]]> --> />", "cat.mp4"]
)
def test_text_without_tags_and_entities_equals_the_result_of_the_parser(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert BeautifulSoup(text, features="html.parser").get_text() == text
