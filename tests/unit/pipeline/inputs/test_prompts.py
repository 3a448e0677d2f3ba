"""Prompts to tokens."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest
import torch

from easyanimate.errors import InvalidInput
from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.pipeline.inputs.prompts import MAX_TOKENS, tokenize


def test_a_long_prompt_is_cut_and_keeps_its_end_token(pipe: EasyAnimatePipeline) -> None:
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


def test_the_empty_prompt_is_the_end_token_alone(pipe: EasyAnimatePipeline) -> None:
    tokens = tokenize(pipe.tokenizer, [""], clean_caption=True)
    assert tokens.mask.sum() == 1
    assert tokens.warnings == ()


def test_a_prompt_that_cleaning_empties_is_reported(pipe: EasyAnimatePipeline) -> None:
    (warning,) = tokenize(pipe.tokenizer, ["一只可爱的猫"], clean_caption=True).warnings
    assert "nothing is left" in warning
    assert "Chinese characters are deleted" in warning


def test_chinese_beside_english_is_reported(pipe: EasyAnimatePipeline) -> None:
    (warning,) = tokenize(pipe.tokenizer, ["a cat 可爱的猫 on the grass"], clean_caption=True).warnings
    assert warning == "the model reads English only; deleted from the prompt: Chinese characters '可爱的猫'"


def test_chinese_that_stays_is_not_reported(pipe: EasyAnimatePipeline) -> None:
    assert tokenize(pipe.tokenizer, ["a cat 猫"], clean_caption=False).warnings == ()


def test_tokens_are_those_of_a_tokenizer_that_pads_and_cuts_by_itself(pipe: EasyAnimatePipeline) -> None:
    own = deepcopy(pipe.tokenizer)
    for count in (0, 1, 50, 115, 116, 117, 118, 119, 120, 121, 122, 300):
        text = " ".join(["a", "circle"] * count)[: 2 * count]
        rows = own([text.strip()], padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
        tokens = tokenize(pipe.tokenizer, [text], clean_caption=False)
        assert torch.equal(tokens.ids, rows.input_ids)
        assert torch.equal(tokens.mask, rows.attention_mask)


@pytest.mark.slow
def test_six_threads_share_the_tokenizer_without_errors_or_lost_warnings(pipe: EasyAnimatePipeline) -> None:
    prompts = [["a cat", "a red circle moves " * 60], ["end " * 200], ["", "a dog"]]
    expected = [pipe.encode_prompt(prompt) for prompt in prompts]
    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda i: pipe.encode_prompt(prompts[i % 3]), range(180)))
    for i, result in enumerate(results):
        assert result.warnings == expected[i % 3].warnings
        assert torch.equal(result.embeds, expected[i % 3].embeds)
        assert torch.equal(result.mask, expected[i % 3].mask)


def test_a_tokenizer_with_truncation_loses_no_warning(pipe: EasyAnimatePipeline) -> None:
    tokenizer = deepcopy(pipe.tokenizer)
    tokenizer(["a"], padding="max_length", max_length=5, truncation=True)
    assert len(tokenize(tokenizer, ["a " * 300], clean_caption=True).warnings) == 1


def test_one_text_is_one_prompt(pipe: EasyAnimatePipeline) -> None:
    assert torch.equal(pipe.encode_prompt("a cat").embeds, pipe.encode_prompt(["a cat"]).embeds)


@pytest.mark.parametrize("prompt", [None, 7, "\ud83d", b"a cat"])
def test_what_is_no_text_is_refused(prompt: Any, pipe: EasyAnimatePipeline) -> None:
    with pytest.raises(InvalidInput, match=r"^prompt "):
        tokenize(pipe.tokenizer, [prompt], clean_caption=True)


@pytest.mark.parametrize("prompt", ["&#xD83D;", "%ED%A0%BD", "&#55357;"])
def test_half_a_character_in_an_escape_is_no_error(prompt: str, pipe: EasyAnimatePipeline) -> None:
    assert tokenize(pipe.tokenizer, [prompt], clean_caption=True).ids.shape == (1, MAX_TOKENS)
