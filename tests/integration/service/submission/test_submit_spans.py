"""The span of a submit: the trace that it belongs to, and what it says about the videos."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from jobs.model.job import Job
from jobs.tracing.spans import NO_SPAN
from service.submission import admission

OTHER = f"00-{'4' * 32}-{'5' * 16}-01"
SENT = f"00-{'6' * 32}-{'7' * 16}-01"


class Spans:
    """Records the parents and the attributes of the spans of the submits."""

    is_on = True

    def __init__(self) -> None:
        self.recorded: list[tuple[str | None, dict[str, Any]]] = []

    @contextmanager
    def span(self, name: str, parent: str | None, kind: str, **attributes: Any) -> Iterator[object]:
        self.recorded.append((parent, attributes))
        yield NO_SPAN


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    spans = Spans()
    monkeypatch.setattr(admission, "recorder", lambda: spans)
    return spans


@pytest.fixture
def source(api: httpx.Client, finish: Callable[[str], bytes], stored: Callable[[str], Job]) -> str:
    """A completed video of another trace."""
    video_id = api.post("/v1/videos", json={"prompt": "a"}, headers={"traceparent": OTHER}).json()["id"]
    finish(str(video_id))
    assert stored(video_id).traceparent == OTHER
    return str(video_id)


@pytest.mark.parametrize(
    ("path", "sent", "parent"),
    [
        ("/v1/videos/extensions", None, OTHER),
        ("/v1/videos/extensions", SENT, None),  # the current span, which is part of that trace
        ("/v1/videos/edits", None, None),
        ("/v1/videos", None, None),
    ],
)
def test_an_extension_belongs_to_the_trace_of_its_video_unless_its_request_has_one(
    api: httpx.Client, source: str, spans: Spans, path: str, sent: str | None, parent: str | None
) -> None:
    body = {"prompt": "b"} | ({} if path == "/v1/videos" else {"video": {"id": source}})
    answer = api.post(path, json=body, headers={} if sent is None else {"traceparent": sent})
    assert answer.status_code == 200, answer.text
    assert [found for found, _ in spans.recorded] == [parent]


def test_a_submit_names_its_first_video_and_their_number(api: httpx.Client, spans: Spans) -> None:
    first = api.post("/v1/videos", json={"prompt": "a", "n": 3}).json()["id"]
    ((_, attributes),) = spans.recorded
    assert (attributes["video_id"], attributes["videos"]) == (first, 3)
