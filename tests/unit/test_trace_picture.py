"""The drawing of a trace: a bar for each span of the service, a tick for each call of a library."""

import runpy
from pathlib import Path
from xml.etree import ElementTree

from tests.otlp_collector import CollectedSpan

PROGRAM = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "trace_picture.py"))
SVG = "{http://www.w3.org/2000/svg}"


def span(name: str, number: int, parent: int, began_at: float, **attributes: str) -> CollectedSpan:
    ids = {"trace_id": "1", "span_id": str(number), "parent_id": str(parent)}
    times = {"began_at": began_at, "ended_at": began_at + 0.5}
    return CollectedSpan(
        service="easyanimate-api", name=name, **ids, **times, attributes=attributes, failure=None, links=()
    )


def test_spans_are_bars_with_their_durations_and_calls_are_ticks() -> None:
    spans = [
        span("video.submit", 2, 1, 0.1),
        span("SET", 3, 2, 0.2, **{"db.system": "redis"}),
        span("POST /v1/videos", 1, 0, 0.0, **{"http.request.method": "POST"}),
        span("webhook.deliver", 4, 2, 0.4),
    ]
    root = ElementTree.fromstring(PROGRAM["draw"](spans))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert [text for text in texts if text in ("POST /v1/videos", "video.submit", "webhook.deliver", "SET")] == [
        "POST /v1/videos",
        "video.submit",
        "webhook.deliver",
    ]
    assert texts.count("500 ms") == 3
    assert len(list(root.iter(f"{SVG}path"))) == 1
