"""The code and the values of a warning are read from its text."""

import pytest

from easyanimate.warning_texts import UNKNOWN, WarningCode, WarningText
from jobs.warning_texts import SECONDS_ROUNDED, UNKNOWN_WORDS, VIDEO_RESHAPED, WARNING_TEXTS, read_warning


def sample(text: WarningText) -> dict[str, str]:
    return {name: f"the {name}; and, 1x2" for name in text.names}


@pytest.mark.parametrize("text", WARNING_TEXTS, ids=lambda text: text.code)
def test_a_text_is_read_with_its_values(text: WarningText) -> None:
    assert read_warning(text.fill(**sample(text))) == WarningCode(text.code, None, sample(text))


def test_the_codes_differ() -> None:
    assert len({text.code for text in WARNING_TEXTS}) == len(WARNING_TEXTS)


def test_a_longer_text_has_a_code_of_its_own() -> None:
    values = {"source": "100x50", "size": "96x48", "model": "tiny"}
    assert read_warning(VIDEO_RESHAPED.fill(**values)) == WarningCode("video_reshaped", None, values)


@pytest.mark.parametrize("separator", [".", ": "])
def test_the_shot_of_a_film_is_read(separator: str) -> None:
    values = {"seconds": "1", "frames": "24", "length": "1", "fps": "24"}
    text = f"shots[12]{separator}{SECONDS_ROUNDED.fill(**values)}"
    assert read_warning(text) == WarningCode("seconds_rounded", 12, values)


def test_a_value_that_stands_twice_is_one_value() -> None:
    text = UNKNOWN_WORDS.fill(model="tiny", words="fox, meadow")
    assert text == "prompt: tiny does not know fox, meadow; GET /v1/models/tiny lists its words"
    assert read_warning(text).values == {"model": "tiny", "words": "fox, meadow"}


def test_a_text_of_another_release_is_unknown() -> None:
    assert read_warning("the moon is full") == WarningCode(UNKNOWN)
