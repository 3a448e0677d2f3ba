"""The report of an evaluation: report.json, report.md and contact sheets."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from easyanimate.evaluation.metrics import METRIC_GROUPS
from easyanimate.evaluation.report.ledger import Ledger, TaskResult
from easyanimate.evaluation.report.sheets import save_sheets
from easyanimate.evaluation.report.summary import Share, Summary, summarise_groups
from easyanimate.evaluation.thresholds import ALL, Threshold

Summaries = Mapping[str, Mapping[str, Summary]]


def write_report(
    folder: Path,
    about: Mapping[str, Any],
    results: Sequence[TaskResult],
    thresholds: Sequence[Threshold],
    ledger: Ledger,
) -> list[Threshold]:
    """Writes the report to `folder`; returns the missed thresholds. `about` describes the model and its settings."""
    summaries = summarise_groups(results)
    sheets = {
        part: save_sheets([result for result in results if result.part == part], ledger, folder) for part in summaries
    }
    parts = {
        part: {group or "all": summary.to_json() for group, summary in groups.items()}
        for part, groups in summaries.items()
    }
    floors = [{"name": each.name, "least": each.minimum, "reached": each.value(summaries)} for each in thresholds]
    text = json.dumps({**about, "parts": parts, "floors": floors}, indent=2, ensure_ascii=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.md").write_text(_markdown(about, summaries, thresholds, sheets), encoding="utf-8")
    return [each for each in thresholds if not is_met(each, summaries)]


def is_met(threshold: Threshold, summaries: Summaries) -> bool:
    """Whether a threshold is reached; one without a measured value is not."""
    value = threshold.value(summaries)
    return value is not None and value >= threshold.minimum


def table_lines(part: str, groups: Mapping[str, Summary]) -> list[str]:
    """The table of a part: a row for each group, shares in percent."""
    attributes = _names(summary.attributes for summary in groups.values())
    numbers = _names(summary.numbers for summary in groups.values())
    first = [part] if any(groups) else []
    header = [*first, "clips", *attributes, ALL, *numbers, "s a clip"]
    rows = [
        [
            *([group] if first else []),
            str(summary.clips) + (f" ({summary.failed} failed)" if summary.failed else ""),
            *(_percent(summary.attributes.get(name)) for name in attributes),
            _percent(summary.everything),
            *(_number(summary, name) for name in numbers),
            f"{summary.seconds:.2f}",
        ]
        for group, summary in groups.items()
    ]
    return [_row(header), _row(["---"] * len(header)), *map(_row, rows)]


def _markdown(
    about: Mapping[str, Any], summaries: Summaries, thresholds: Sequence[Threshold], sheets: Mapping[str, list[Path]]
) -> str:
    lines = [f"# Evaluation of {about['model']}", ""]
    lines += ["| | |", "|---|---|", *(_row([name, _text(about[name])]) for name in about if name != "world")]
    lines += ["", "Shares are in percent. Numbers are means, with minimum and maximum."]
    if thresholds:
        lines += ["", "## Floors", "", "| floor | least | reached | |", "|---|---|---|---|"]
        lines += [_threshold_row(each, summaries) for each in thresholds]
    for part, groups in summaries.items():
        lines += ["", f"## {METRIC_GROUPS[part].title}", "", *table_lines(part, groups)]
        if not any(groups):
            lines += ["", *_details(groups[""])]
        lines += ["", *(f"[{sheet.name}]({sheet.name})" for sheet in sheets[part])]
    return "\n".join(lines) + "\n"


def _details(summary: Summary) -> list[str]:
    """The confidence interval of each share, and the share of each word."""
    lines = ["| attribute | right | 95 % confidence | by word |", "|---|---|---|---|"]
    for name, share in summary.attributes.items():
        words = ", ".join(f"{word} {each.right}/{each.total}" for word, each in summary.words[name].items())
        interval = f"{100 * share.low:.1f} to {100 * share.high:.1f}"
        lines.append(_row([name, f"{share.right}/{share.total}", interval, words]))
    return lines


def _threshold_row(threshold: Threshold, summaries: Summaries) -> str:
    value = threshold.value(summaries)
    text = "not measured" if value is None else f"{value:g}"
    result = "met" if is_met(threshold, summaries) else "**missed**"
    return _row([threshold.name, f"{threshold.minimum:g}", text, result])


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return str(value)


def _percent(share: Share | None) -> str:
    return "" if share is None else f"{100 * share.share:.1f}"


def _number(summary: Summary, name: str) -> str:
    spread = summary.numbers.get(name)
    return "" if spread is None else f"{spread.mean:.2f} ({spread.least:.2f} to {spread.most:.2f})"


def _names(tables: Any) -> list[str]:
    return list(dict.fromkeys(name for table in tables for name in table))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
