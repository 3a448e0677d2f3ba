"""Describes the tokenizer of a model as a vocabulary, with which front ends count tokens."""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from jobs.queue.vocabularies import Vocabulary

log = structlog.get_logger()

MARK = "▁"  # begins a word
MAX_REASON_CHARS = 300  # an error of Pydantic may name thousands of pieces
PRE_TOKENIZERS = ["WhitespaceSplit", "Metaspace"]
# Latin, Greek and Cyrillic letters, digits and signs: characters of one code point, with which nothing combines.
LETTER_RANGES = ((0x21, 0x7F), (0xA1, 0xAD), (0xAE, 0x300), (0x370, 0x483), (0x48A, 0x530))


def describe_tokenizer(tokenizer: Any, limit: int) -> Vocabulary | None:
    """The vocabulary of a fast tokenizer of `transformers`; None if it works in another way than that of T5.

    `limit` is the number of tokens that the model reads. A tokenizer that cannot be described is logged.
    """
    try:
        return _describe(tokenizer, limit)
    except Exception as error:  # noqa: BLE001  of a description in another form: no reason not to serve the model
        log.warning("tokenizer.not_described", reason=repr(error)[:MAX_REASON_CHARS])
        return None


def _describe(tokenizer: Any, limit: int) -> Vocabulary | None:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    fields = json.loads(backend.to_str())
    if not _is_like_t5(fields):
        return None
    pieces, special = fields["model"]["vocab"], [token["content"] for token in fields["added_tokens"]]
    normalizer = backend.normalizer
    letters = (chr(point) for first, end in LETTER_RANGES for point in range(first, end))
    return Vocabulary(
        pieces=tuple((piece, score) for piece, score in pieces),
        unknown=pieces[fields["model"]["unk_id"]][0],
        special=tuple(special),
        letters="".join(
            letter for letter in letters if normalizer is None or normalizer.normalize_str(letter) == letter
        ),
        limit=limit,
    )


def _is_like_t5(fields: Mapping[str, Any]) -> bool:
    """Whether it has T5's pieces, cuts words as T5 does, and adds one end token."""
    model, steps = fields["model"], (fields.get("pre_tokenizer") or {}).get("pretokenizers", [])
    if (model.get("type"), model.get("byte_fallback", False)) != ("Unigram", False) or model.get("unk_id") is None:
        return False
    if [step["type"] for step in steps] != PRE_TOKENIZERS:
        return False
    marks = steps[1]["replacement"], steps[1]["prepend_scheme"], steps[1]["split"]
    ends = (fields.get("post_processor") or {}).get("special_tokens", {})
    is_plain = not any(token["lstrip"] or token["rstrip"] or token["single_word"] for token in fields["added_tokens"])
    return marks == (MARK, "always", True) and len(ends) == 1 and is_plain
