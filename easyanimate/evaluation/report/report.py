"""The report of an evaluation: report.json for programs, report.md and contact sheets for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from easyanimate.evaluation.metrics import METRIC_GROUPS
from easyanimate.evaluation.report.ledger import Ledger, TaskResult
from easyanimate.evaluation.report.sheets import save_sheets
from easyanimate.evaluation.report.summary import Share, Summary, by_group
from easyanimate.evaluation.thresholds import ALL, Threshold

Summaries = Mapping[str, Mapping[str, Summary]]


def write_report(
    folder: Path, about: Mapping[str, Any], results: Sequence[TaskResult], floors: Sequence[Threshold], ledger: Ledger
) -> list[Threshold]:
    """Write everything to `folder`; the floors that are missed. `about` says what was evaluated, and on what."""
    summaries = by_group(results)
    sheets = {
        part: save_sheets([result for result in results if result.part == part], ledger, folder) for part in summaries
    }
    parts = {
        part: {group or "all": asdict(summary) for group, summary in groups.items()}
        for part, groups in summaries.items()
    }
    checked = [{"name": f.name, "least": f.least, "reached": f.reached(summaries)} for f in floors]
    text = json.dumps({**about, "parts": parts, "floors": checked}, indent=2, ensure_ascii=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.md").write_text(_markdown(about, summaries, floors, sheets), encoding="utf-8")
    return [floor for floor in floors if not is_met(floor, summaries)]


def is_met(floor: Threshold, summaries: Summaries) -> bool:
    """Whether the model is there; a number that was not measured does not count as reached."""
    reached = floor.reached(summaries)
    return reached is not None and reached >= floor.least


def lines_of(part: str, groups: Mapping[str, Summary]) -> list[str]:
    """The table of a part: a line for each group, shares in percent."""
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
    about: Mapping[str, Any], summaries: Summaries, floors: Sequence[Threshold], sheets: Mapping[str, list[Path]]
) -> str:
    lines = [f"# Evaluation of {about['model']}", ""]
    lines += ["| | |", "|---|---|", *(_row([name, _said(about[name])]) for name in about if name != "world")]
    lines += ["", "Shares are in percent; a mean of numbers comes with its least and most."]
    if floors:
        lines += ["", "## Floors", "", "| floor | least | reached | |", "|---|---|---|---|"]
        lines += [_floor_row(floor, summaries) for floor in floors]
    for part, groups in summaries.items():
        lines += ["", f"## {METRIC_GROUPS[part].title}", "", *lines_of(part, groups)]
        if not any(groups):
            lines += ["", *_details(groups[""])]
        lines += ["", *(f"[{sheet.name}]({sheet.name})" for sheet in sheets[part])]
    return "\n".join(lines) + "\n"


def _details(summary: Summary) -> list[str]:
    """How sure each share is, and the share of each word."""
    lines = ["| attribute | right | 95 in 100 sure | by word |", "|---|---|---|---|"]
    for name, share in summary.attributes.items():
        words = ", ".join(f"{word} {each.right}/{each.asked}" for word, each in summary.words[name].items())
        sure = f"{100 * share.low:.1f} to {100 * share.high:.1f}"
        lines.append(_row([name, f"{share.right}/{share.asked}", sure, words]))
    return lines


def _floor_row(floor: Threshold, summaries: Summaries) -> str:
    reached = floor.reached(summaries)
    told = "not measured" if reached is None else f"{reached:g}"
    return _row([floor.name, f"{floor.least:g}", told, "met" if is_met(floor, summaries) else "**missed**"])


def _said(value: Any) -> str:
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
