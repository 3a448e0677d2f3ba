"""The drawing of a dashboard: each panel at its place, from the results of its queries."""

import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from deploy.observability.dashboards.overview import OVERVIEW

PROGRAM = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "dashboard_picture.py"))
SVG = "{http://www.w3.org/2000/svg}"


def test_each_panel_is_drawn_with_its_title_its_lines_and_no_data_without_results() -> None:
    asked = []

    def query(expression: str) -> list[Any]:
        asked.append(expression)
        values = [[0, "1"], [2, "NaN"], [4, "3"]]
        return [] if "queue_depth" in expression else [{"metric": {"model": "tiny"}, "values": values}]

    root = ElementTree.fromstring(PROGRAM["draw"](OVERVIEW, query))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {panel.title for panel in OVERVIEW.panels} <= set(texts)
    assert "no data" in texts
    assert len(asked) == sum(len(panel.queries) for panel in OVERVIEW.panels)
    lines = [element.get("points") for element in root.iter(f"{SVG}polyline")]
    assert lines
    assert all(points is not None and len(points.split()) == 2 for points in lines)
