"""How often times are within estimated ranges: the reliability of measured videos, and its diagram as SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobs.queue.run_times import RunTime, fit_run_times

LEVELS = tuple(level / 10 for level in range(1, 10))
MIN_BEFORE = 20  # videos before the first one that counts
Z95 = 1.96  # of a normal distribution
SIZE, MARGIN, LABEL = 420, 48, 14
COLOURS = {"run time": "#1f77b4", "whole estimate, p50 and p90": "#d62728"}


@dataclass(frozen=True)
class Share:
    """The share of `count` videos that were within the estimate for `level`, with its 95 % interval."""

    level: float
    hits: int
    count: int

    @property
    def observed(self) -> float:
        """The share itself."""
        return self.hits / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of Wilson."""
        n, p = self.count, self.observed
        middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
        return middle - half, middle + half

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.observed:.0%} ({low:.0%} to {high:.0%})"


def shares_of_run_times(times: Sequence[RunTime]) -> list[Share]:
    """The shares at `LEVELS`; each video in order of time is compared with the fit to those before it."""
    hits, count = dict.fromkeys(LEVELS, 0), 0
    for number in range(MIN_BEFORE, len(times)):
        model = fit_run_times(times[:number][::-1])
        if model is None:
            continue
        count += 1
        fitted = sum(part * feature for part, feature in zip(model.parts, times[number].features, strict=True))
        for level in LEVELS:
            place = min(len(model.ratios), math.ceil(level * (len(model.ratios) + 1))) - 1
            hits[level] += times[number].seconds <= fitted * model.ratios[place]
    return [Share(level, hits[level], count) for level in LEVELS] if count else []


def diagram(series: dict[str, list[Share]]) -> str:
    """Promised shares on the horizontal axis, observed ones with their intervals on the vertical one."""
    width, middle = SIZE + LABEL, SIZE / 2
    box = f'width="{width}" viewBox="-{LABEL} 0 {width} {SIZE}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="12">',
        f'<rect x="-{LABEL}" width="{width}" height="{SIZE}" fill="white"/>',
        *_axes(),
    ]
    for number, (name, shares) in enumerate(series.items()):
        parts += _points(shares, COLOURS[name], 0.006 * number)
        parts.append(f'<text x="{MARGIN + 12}" y="{MARGIN + 16 * number}" fill="{COLOURS[name]}">{name}</text>')
    parts.append(f'<text x="{middle}" y="{SIZE - 10}" text-anchor="middle">promised share of videos</text>')
    parts.append(
        f'<text transform="translate(0 {middle}) rotate(-90)" text-anchor="middle">observed share of videos</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axes() -> Iterator[str]:
    """The diagonal, both axes, and their percentages."""
    yield _line((0, 0), (1, 1), 'stroke="#999" stroke-dasharray="4 4"')
    yield _line((0, 0), (1, 0), 'stroke="#555"')
    yield _line((0, 0), (0, 1), 'stroke="#555"')
    for percent in range(0, 101, 20):
        (x, y), (left, height) = _place(percent / 100, 0), _place(0, percent / 100)
        yield f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{percent} %</text>'
        yield f'<text x="{left - 6:.1f}" y="{height + 4:.1f}" text-anchor="end">{percent} %</text>'


def _points(shares: list[Share], colour: str, shift: float) -> Iterator[str]:
    """The shares of one series with their intervals, `shift` to the right of their levels."""
    for share in shares:
        low, high = share.interval
        x, y = _place(share.level + shift, share.observed)
        yield _line((share.level + shift, low), (share.level + shift, high), f'stroke="{colour}"')
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def _place(x: float, y: float) -> tuple[float, float]:
    return MARGIN + x * (SIZE - 2 * MARGIN), SIZE - MARGIN - y * (SIZE - 2 * MARGIN)


def _line(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    (x1, y1), (x2, y2) = _place(*start), _place(*end)
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def report(series: dict[str, list[Share]]) -> str:
    """The same as a table."""
    lines = ["| estimate | promised | observed (95 % interval) | videos |", "| --- | --- | --- | --- |"]
    for name, shares in series.items():
        lines += [f"| {name} | {share.level:.0%} | {share} | {share.count} |" for share in shares]
    return "\n".join(lines)
