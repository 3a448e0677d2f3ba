"""Checks of a prompt at submit: words that cleaning leaves, and words that the model does not know."""

from easyanimate.text_cleaning import clean_prompt, lost_ideographs, plain_prompt
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from jobs.warning_texts import UNKNOWN_WORDS

MAX_WORDS = 8  # in one warning
MAX_CHARS = 40  # of one word in a warning


def check_prompt(prompt: str, card: ModelCard, *, clean_caption: bool) -> tuple[str, ...]:
    """Warnings about words of `prompt` that the model does not know. Refuses a prompt that cleaning leaves no word of.

    Raises InvalidRequest with the code `prompt_not_understood`.
    """
    if not clean_caption:
        return _unknown_words(plain_prompt(prompt), card)
    cleaned = clean_prompt(prompt)
    if not any(letter.isalnum() for letter in cleaned):
        is_chinese = bool(lost_ideographs(prompt))
        why = "; Chinese characters are deleted" if is_chinese else ""
        message = (
            f"no word is left of the prompt after cleaning{why}; the model reads English, so describe it in English"
        )
        raise InvalidRequest(
            message, "prompt", "prompt_not_understood", "no_word_left_of_chinese" if is_chinese else "no_word_left"
        )
    return _unknown_words(cleaned, card)


def _unknown_words(cleaned: str, card: ModelCard) -> tuple[str, ...]:
    unknown = [word[:MAX_CHARS] for word in card.unknown_words(cleaned)]
    if not unknown:
        return ()
    more = f" and {len(unknown) - MAX_WORDS} more" if len(unknown) > MAX_WORDS else ""
    listed = f"{', '.join(unknown[:MAX_WORDS])}{more}"
    return (UNKNOWN_WORDS.fill(model=card.name, words=listed),)
