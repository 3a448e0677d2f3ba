"""Prompts at submit: what cleaning leaves of them, and words that the model does not know."""

import pytest

from easyanimate.tiny.card import CARD
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from service.submission.prompts import MAX_WORDS, check_prompt
from worker.models.cards import published_card

TINY = ModelCard.model_validate(CARD)


@pytest.mark.parametrize(
    "prompt", ["一只可爱的猫", "  红色的球  ", "http://example.com", "<b></b>", "...", "🎬", "@somebody"]
)
def test_a_prompt_without_a_word_after_cleaning_is_refused(prompt: str) -> None:
    with pytest.raises(InvalidRequest, match="the model reads English") as refusal:
        check_prompt(prompt, TINY, clean_caption=True)
    assert (refusal.value.code, refusal.value.param) == ("prompt_not_understood", "prompt")


def test_the_refusal_of_a_chinese_prompt_names_the_reason() -> None:
    with pytest.raises(InvalidRequest, match="Chinese characters are deleted"):
        check_prompt("一只可爱的猫", TINY, clean_caption=True)


def test_a_prompt_that_is_not_cleaned_is_not_refused() -> None:
    assert check_prompt("🎬", TINY, clean_caption=False) == ()


@pytest.mark.parametrize(
    "prompt", [*TINY.examples, "A LARGE red Circle, moving left!", "a red ball 红色", "10 red dots"]
)
def test_a_prompt_in_the_words_of_the_card_has_no_warning(prompt: str) -> None:
    assert check_prompt(prompt.replace("10 red dots", "a red dot 10"), TINY, clean_caption=True) == ()


def test_unknown_words_are_a_warning_with_the_place_of_the_list() -> None:
    prompt = "A red ball rolls across a meadow; a meadow of dogs"
    assert check_prompt(prompt, TINY, clean_caption=True) == (
        "prompt: easyanimate-v3-tiny does not know across, meadow, dogs; "
        "GET /v1/models/easyanimate-v3-tiny lists its words",
    )


def test_words_of_another_script_are_unknown_words() -> None:
    (warning,) = check_prompt("красный круг", TINY, clean_caption=True)
    assert "does not know красный, круг" in warning


def test_a_warning_about_many_words_is_short() -> None:
    (warning,) = check_prompt(" ".join("q" * n for n in range(1, 300)), TINY, clean_caption=True)
    assert f"and {299 - MAX_WORDS} more" in warning
    assert len(warning) < 500


def test_a_model_without_a_list_of_words_has_no_unknown_words() -> None:
    assert check_prompt("a zebra on a unicycle", published_card("model", 512), clean_caption=True) == ()
