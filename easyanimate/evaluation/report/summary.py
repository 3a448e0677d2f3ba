"""Summaries of results: shares and means."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from easyanimate.evaluation.report.ledger import TaskResult
from easyanimate.training.shapes import ATTRIBUTES

Z_95 = 1.96  # half width of a 95 % confidence interval in standard deviations
NAMES_IN_FILE = {"total": "asked"}  # fields with another name in report.json


@dataclass(frozen=True)
class Share:
    """`right` of `total` clips, with the 95 % confidence interval (Wilson's)."""

    right: int
    total: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[bool]) -> "Share":
        """The share of True in one or more values."""
        right, n = sum(values), len(values)
        share, z = right / n, Z_95
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return cls(right, n, round(share, 4), round(max(0.0, middle - reach), 4), round(min(1.0, middle + reach), 4))


@dataclass(frozen=True)
class Spread:
    """Mean, minimum and maximum of a number over clips."""

    mean: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of one or more values."""
        return cls(*(round(value, 3) for value in (fmean(values), min(values), max(values))))


@dataclass(frozen=True)
class Summary:
    """The results of a part, or of one group of it: the share of each attribute, of all together, and the numbers.

    `words` has the shares by attribute and expected word, for example shape and circle.
    """

    clips: int
    failed: int
    seconds: float  # a clip, on average
    attributes: dict[str, Share]
    everything: Share
    numbers: dict[str, Spread]
    words: dict[str, dict[str, Share]]

    def to_json(self) -> dict[str, Any]:
        """The content of report.json."""
        return asdict(self, dict_factory=lambda pairs: {NAMES_IN_FILE.get(name, name): value for name, value in pairs})


def summarise(results: Sequence[TaskResult]) -> Summary:
    """The summary of one or more results."""
    attributes = [name for name in (*ATTRIBUTES, "style") if any(name in result.expected for result in results)]
    numbers = list(dict.fromkeys(name for result in results for name in result.numbers))
    return Summary(
        clips=len(results),
        failed=sum(bool(result.failed) for result in results),
        seconds=round(fmean(result.seconds for result in results), 3),
        attributes={name: Share.of(_is_right(results, name)) for name in attributes},
        everything=Share.of([not result.wrong for result in results]),
        numbers={name: Spread.of([r.numbers[name] for r in results if name in r.numbers]) for name in numbers},
        words={name: _by_word(results, name) for name in attributes},
    )


def summarise_groups(results: Iterable[TaskResult]) -> dict[str, dict[str, Summary]]:
    """A summary for each part and each of its groups; "" is the group of a part without groups."""
    by_part: dict[str, dict[str, list[TaskResult]]] = {}
    for result in results:
        by_part.setdefault(result.part, {}).setdefault(result.group, []).append(result)
    return {part: {group: summarise(members) for group, members in groups.items()} for part, groups in by_part.items()}


def _is_right(results: Sequence[TaskResult], name: str) -> list[bool]:
    return [name not in result.wrong for result in results if name in result.expected]


def _by_word(results: Sequence[TaskResult], name: str) -> dict[str, Share]:
    words = sorted({result.expected[name] for result in results if name in result.expected})
    return {word: Share.of(_is_right([r for r in results if r.expected.get(name) == word], name)) for word in words}
