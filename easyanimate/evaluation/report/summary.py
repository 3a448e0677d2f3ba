"""Many results as a few shares and means."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from easyanimate.evaluation.report.ledger import TaskResult
from easyanimate.training.shapes import ATTRIBUTES

SURE = 1.96  # standard deviations either side: 95 in 100


@dataclass(frozen=True)
class Share:
    """`right` of `asked`, and between which shares the true one lies, 95 times in 100 (Wilson's interval)."""

    right: int
    asked: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, verdicts: Sequence[bool]) -> "Share":
        """The share of True; there is at least one verdict."""
        right, n = sum(verdicts), len(verdicts)
        share, z = right / n, SURE
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return cls(right, n, round(share, 4), round(max(0.0, middle - reach), 4), round(min(1.0, middle + reach), 4))


@dataclass(frozen=True)
class Spread:
    """A number over many clips."""

    mean: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(*(round(value, 3) for value in (fmean(values), min(values), max(values))))


@dataclass(frozen=True)
class Summary:
    """A part or one group of it: how often each attribute was right, how often all were, and the numbers.

    `words` has the shares by attribute and the word that was asked, as shape, circle.
    """

    clips: int
    failed: int
    seconds: float  # a clip, on average
    attributes: dict[str, Share]
    everything: Share
    numbers: dict[str, Spread]
    words: dict[str, dict[str, Share]]


def summarise(results: Sequence[TaskResult]) -> Summary:
    """Of at least one result."""
    attributes = [name for name in (*ATTRIBUTES, "style") if any(name in result.asked for result in results)]
    numbers = list(dict.fromkeys(name for result in results for name in result.numbers))
    return Summary(
        clips=len(results),
        failed=sum(bool(result.failed) for result in results),
        seconds=round(fmean(result.seconds for result in results), 3),
        attributes={name: Share.of(_verdicts(results, name)) for name in attributes},
        everything=Share.of([not result.wrong for result in results]),
        numbers={name: Spread.of([r.numbers[name] for r in results if name in r.numbers]) for name in numbers},
        words={name: _by_word(results, name) for name in attributes},
    )


def by_group(results: Iterable[TaskResult]) -> dict[str, dict[str, Summary]]:
    """A summary for each part and each group of it, "" where there is but one."""
    sorted_out: dict[str, dict[str, list[TaskResult]]] = {}
    for result in results:
        sorted_out.setdefault(result.part, {}).setdefault(result.group, []).append(result)
    return {
        part: {group: summarise(members) for group, members in groups.items()} for part, groups in sorted_out.items()
    }


def _verdicts(results: Sequence[TaskResult], name: str) -> list[bool]:
    return [name not in result.wrong for result in results if name in result.asked]


def _by_word(results: Sequence[TaskResult], name: str) -> dict[str, Share]:
    words = sorted({result.asked[name] for result in results if name in result.asked})
    return {word: Share.of(_verdicts([r for r in results if r.asked.get(name) == word], name)) for word in words}
