"""Tokenizes and encodes prompts: 120 tokens of T5, and warnings about the parts that are left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from easyanimate.pipeline.arguments import as_text
from easyanimate.text_cleaning import clean_prompt, lost_ideographs, plain_prompt
from easyanimate.warning_texts import CHINESE_DELETED, CHINESE_PROMPT_EMPTY, PROMPT_EMPTY, PROMPT_TOO_LONG

MAX_TOKENS = 120  # with the end token (spec: pipelines 2.2)
# A fast tokenizer keeps its truncation and padding between calls; the first call here switches them off.
_tokenizer_lock = Lock()


@dataclass(frozen=True)
class TextContext:
    """`embeds` [R, 120, D] and `mask` [R, 120] (1 at real tokens); R is 1, or 2: negative, positive."""

    embeds: Tensor
    mask: Tensor
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tokens:
    """`ids` and `mask` [R, 120], one row for each prompt."""

    ids: Tensor
    mask: Tensor
    warnings: tuple[str, ...]


def tokenize(tokenizer: Any, prompts: Sequence[str] | str, *, clean_caption: bool) -> Tokens:
    """Cleans (or only lowercases) `prompts` and cuts them to 120 tokens, with the end token. Warnings hold the rest.

    A single text is one prompt. Raises InvalidInput for a value that is no text. Threads may share the tokenizer.
    """
    clean = clean_prompt if clean_caption else plain_prompt
    originals = [as_text(prompt, "prompt") for prompt in ([prompts] if isinstance(prompts, str) else prompts)]
    texts = [clean(prompt) for prompt in originals]
    with _tokenizer_lock:
        rows = tokenizer(texts, padding=False, truncation=False, verbose=False).input_ids
    warnings = [
        warning
        for prompt, text, row in zip(originals, texts, rows, strict=True)
        for warning in _warnings(tokenizer, prompt, text, row, clean_caption=clean_caption)
    ]
    ids = torch.tensor([_fit(row, tokenizer.pad_token_id) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(MAX_TOKENS) < lengths[:, None]).long()
    return Tokens(ids, mask, tuple(warnings))


def _fit(row: list[int], pad: int) -> list[int]:
    """Pads `row`, which ends with the end token, to 120 tokens, or cuts it before that token."""
    tokens = row if len(row) <= MAX_TOKENS else [*row[: MAX_TOKENS - 1], row[-1]]
    return tokens + [pad] * (MAX_TOKENS - len(tokens))


def encode(text_encoder: Any, tokens: Tokens, device: Any) -> tuple[Tensor]:
    """The last hidden state [R, 120, D] of T5, in its dtype, on `device`."""
    return (text_encoder(tokens.ids.to(device), attention_mask=tokens.mask.to(device)).last_hidden_state,)


def _warnings(tokenizer: Any, prompt: str, text: str, ids: list[int], *, clean_caption: bool) -> list[str]:
    lost = lost_ideographs(prompt) if clean_caption else ""
    if prompt.strip() and not text:
        return [(CHINESE_PROMPT_EMPTY if lost else PROMPT_EMPTY).fill(prompt=repr(_short(prompt)))]
    warnings = []
    if lost:
        warnings.append(CHINESE_DELETED.fill(characters=repr(_short(lost))))
    if len(ids) > MAX_TOKENS:
        rest = tokenizer.decode(ids[MAX_TOKENS - 1 :], skip_special_tokens=True)
        warnings.append(PROMPT_TOO_LONG.fill(tokens=len(ids), limit=MAX_TOKENS, rest=repr(rest)))
    return warnings


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"
