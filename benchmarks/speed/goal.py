"""A goal beside its figure, and the conditions of a run."""

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import torch


@dataclass(frozen=True)
class Goal:
    """A line of the page: what was measured, the goal and the result as texts, and whether the goal is met."""

    what: str
    goal: str
    result: str
    is_met: bool


def at_most(what: str, result: float, goal: float, unit: str = "", more: str = "") -> Goal:
    """A goal that is an upper bound. `more` is a remark on the result."""
    text = f"{_number(result)}{unit}" + (f" ({more})" if more else "")
    return Goal(what, f"≤ {_number(goal)}{unit}", text, result <= goal)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def report(goals: Iterable[Goal]) -> dict[str, Any]:
    """The goals of a part as values of JSON, with the load, the commit and the date of their run."""
    rows = [asdict(goal) for goal in goals]
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "goals": rows,
        "load": round(os.getloadavg()[0], 1),
        "commit": commit,
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
