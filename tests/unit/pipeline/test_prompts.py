"""Prompts to tokens."""

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.pipeline.prompts import MAX_TOKENS, tokenize


def test_a_long_prompt_is_cut_and_keeps_its_end_mark(pipe: EasyAnimatePipeline) -> None:
    tokens = tokenize(pipe.tokenizer, ["a " * 300], clean_caption=True)
    assert tokens.ids.shape == (1, MAX_TOKENS)
    assert tokens.ids[0, -1] == pipe.tokenizer.eos_token_id
    assert tokens.mask.all()


def test_a_prompt_that_just_fits_has_no_warning(pipe: EasyAnimatePipeline) -> None:
    words = "a"
    while len(pipe.tokenizer(words + " a").input_ids) <= MAX_TOKENS:
        words += " a"
    assert tokenize(pipe.tokenizer, [words], clean_caption=True).warnings == ()
    assert len(tokenize(pipe.tokenizer, [words + " a"], clean_caption=True).warnings) == 1


def test_the_empty_prompt_is_the_end_mark_alone(pipe: EasyAnimatePipeline) -> None:
    tokens = tokenize(pipe.tokenizer, [""], clean_caption=True)
    assert tokens.mask.sum() == 1
    assert tokens.warnings == ()


def test_a_prompt_that_cleaning_empties_is_said(pipe: EasyAnimatePipeline) -> None:
    (warning,) = tokenize(pipe.tokenizer, ["一只可爱的猫"], clean_caption=True).warnings
    assert "nothing is left" in warning
    assert "Chinese characters are deleted" in warning


def test_chinese_beside_english_is_said(pipe: EasyAnimatePipeline) -> None:
    (warning,) = tokenize(pipe.tokenizer, ["a cat 可爱的猫 on the grass"], clean_caption=True).warnings
    assert warning == "the model reads English only; deleted from the prompt: Chinese characters '可爱的猫'"


def test_nothing_is_said_of_chinese_that_stays(pipe: EasyAnimatePipeline) -> None:
    assert tokenize(pipe.tokenizer, ["a cat 猫"], clean_caption=False).warnings == ()
