"""Counts the tokens of a prompt as the tokenizer of its model does, with the vocabulary that workers announce.

A text is cut at white space. Each word becomes the pieces with the highest sum of scores (a unigram language model).
The count is exact, or there is none: for other kinds of tokenizers, and for letters that a tokenizer may replace.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from easyanimate.text_cleaning import clean_prompt, plain_prompt
from jobs.queue.vocabularies import Vocabulary, VocabularyStore
from jobs.redis.unreadable import RETRY_S

MARK = "▁"  # begins a word
UNKNOWN_PENALTY = 10.0  # of a letter without a piece, below the lowest score
END_TOKENS = 1
MAX_CACHED_WORDS, MAX_CACHED_CHARS = 20_000, 64  # longer words are counted each time: prompts may have any
# White space of Unicode; Python's \s has four control characters more.
SPACES = re.compile(r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")

# The best way to the end of a part of a word: the sum of scores, the number of pieces, and whether the last is unknown.
Way = tuple[float, int, bool]


class TokenCounter:
    """Counts with one vocabulary. Threads may share it."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.limit = vocabulary.limit
        self._scores = dict(vocabulary.pieces)
        self._longest = max(map(len, self._scores))
        self._unknown, self._unknown_score = vocabulary.unknown, min(self._scores.values()) - UNKNOWN_PENALTY
        self._letters = frozenset(vocabulary.letters)
        special = sorted(vocabulary.special, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special)) or r"(?!)")
        self._count_cached = lru_cache(MAX_CACHED_WORDS)(self._count_pieces)

    def count(self, prompt: str, *, clean_caption: bool) -> int | None:
        """The tokens of a prompt with the end token; None if it has letters whose tokens cannot be counted here."""
        text = clean_prompt(prompt) if clean_caption else plain_prompt(prompt)
        parts = self._special.split(text)
        words = [word for part in parts for word in SPACES.split(part) if word]
        if not self._letters.issuperset("".join(words)):
            return None
        return len(parts) - 1 + sum(map(self._count_word, words)) + END_TOKENS

    def _count_word(self, word: str) -> int:
        return self._count_cached(word) if len(word) <= MAX_CACHED_CHARS else self._count_pieces(word)

    def _count_pieces(self, word: str) -> int:
        """The pieces of the best way to cut a word. Unknown letters in a row are one piece."""
        text = MARK + word
        ways: list[Way | None] = [(0.0, 0, False)] + [None] * len(text)
        for start in range(len(text)):
            if (way := ways[start]) is not None:
                self._continue(ways, text, start, way)
        last = ways[-1]
        return last[1] if last else 0

    def _continue(self, ways: list[Way | None], text: str, start: int, way: Way) -> None:
        """Adds each piece that begins at `start`. Of equal sums the first one stays, as in the tokenizer."""
        score, pieces, is_unknown = way
        for end in range(start + 1, min(start + self._longest, len(text)) + 1):
            piece = text[start:end]
            if (added := self._scores.get(piece)) is not None:
                _keep_better(ways, end, (score + added, pieces + 1, piece == self._unknown))
        if text[start] not in self._scores:
            _keep_better(ways, start + 1, (score + self._unknown_score, pieces + (not is_unknown), True))


def _keep_better(ways: list[Way | None], end: int, way: Way) -> None:
    best = ways[end]
    if best is None or way[0] > best[0]:
        ways[end] = way


@dataclass(frozen=True)
class _Cached:
    """The counter of the vocabulary with this digest; without one it is read again at `until`, in seconds."""

    digest: str
    counter: TokenCounter | None
    until: float


class TokenCounters:
    """The counters of the models, each read again when a worker has announced another vocabulary.

    One that cannot be read is tried again after `RETRY_S`.
    """

    def __init__(self, store: VocabularyStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._cached: dict[str, _Cached] = {}  # by model

    def get(self, model: str) -> TokenCounter | None:
        """The counter of a model; None without a vocabulary of its workers. Raises QueueUnavailable."""
        digest, now = self._store.digest(model), self._clock()
        if digest is None:
            return None
        cached = self._cached.get(model)
        if cached is None or cached.digest != digest or (cached.counter is None and now >= cached.until):
            vocabulary = self._store.read(model)
            counter = None if vocabulary is None else TokenCounter(vocabulary)
            cached = self._cached[model] = _Cached(digest, counter, now + RETRY_S)
        return cached.counter
