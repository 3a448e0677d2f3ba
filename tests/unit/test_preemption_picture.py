"""The drawing of a preemption: bars of attempts, light bars of waits, and the steps as text."""

import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PROGRAM = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "preemption_picture.py"))
SVG = "{http://www.w3.org/2000/svg}"


def attempt(began_at: float, ended_at: float, outcome: str, step: int, resumed_step: int | None) -> dict[str, Any]:
    times = {"started_at": began_at, "ended_at": ended_at}
    return times | {"outcome": outcome, "step": step, "total_steps": 60, "resumed_step": resumed_step}


def test_attempts_and_waits_are_bars_from_left_to_right() -> None:
    long = [attempt(100.0, 110.0, "preempted", 20, None), attempt(115.0, 130.0, "completed", 60, 21)]
    urgent = [attempt(110.0, 115.0, "completed", 10, None)]
    videos = [
        {"priority": "low", "created_at": 99, "attempts": long},
        {"priority": "high", "created_at": 109, "attempts": urgent},
    ]
    root = ElementTree.fromstring(PROGRAM["draw"](videos))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "step 20 of 60, preempted" in texts
    assert "from step 21: step 60 of 60, completed" in texts
    _, first_wait, first, second_wait, second, urgent_wait, only = (
        (float(bar.attrib.get("x", 0)), float(bar.attrib["width"])) for bar in root.iter(f"{SVG}rect")
    )
    assert first_wait[1] == 0
    assert second_wait[0] == sum(first)
    assert abs(second[0] - sum(second_wait)) < 0.2
    assert abs(sum(urgent_wait) - only[0]) < 0.2
    assert only[0] == sum(first)
