"""What `easyanimate up` prints while it starts."""

from typing import Any

import pytest

from cli.stack.startup import StartupReport, api_state, keeper_state, worker_state


def test_each_part_is_named_when_it_is_ready_and_the_others_every_five_seconds() -> None:
    lines: list[str] = []
    times = iter([0.0, 2.0, 4.0, 6.0, 8.0, 12.25])
    report = StartupReport(lines.append, lambda: next(times))
    loading = "loads the model tiny"
    assert not report.add({"API": "does not answer yet", "worker": loading})
    assert not report.add({"API": None, "worker": loading})
    assert not report.add({"API": None, "worker": loading})
    assert not report.add({"API": None, "worker": loading})
    assert report.add({"API": None, "worker": None})
    assert lines == ["API: ready after 4.0 s", "worker: loads the model tiny (6 s)", "worker: ready after 12.2 s"]


def test_a_part_that_is_no_longer_ready_is_waited_for_again() -> None:
    report = StartupReport(lambda _: None)
    assert not report.add({"API": None, "worker": "starts"})
    assert not report.add({"API": "does not answer yet", "worker": None})


@pytest.mark.parametrize(
    ("readiness", "api", "worker"),
    [
        (None, "does not answer yet", "loads the model tiny"),
        ({"missing": ["model"], "workers": {}}, None, "loads the model tiny"),
        ({"missing": ["disk"], "workers": {"tiny": 0}}, "reports as missing: disk", "loads the model tiny"),
        (
            {"missing": ["redis", "storage"], "workers": {}},
            "reports as missing: redis, storage",
            "loads the model tiny",
        ),
        ({"missing": [], "workers": {"tiny": 1}}, None, None),
        ({"missing": [], "workers": {"other": 1}}, None, "loads the model tiny"),
        ({}, None, "loads the model tiny"),
    ],
)
def test_the_answer_of_the_api_names_what_is_missing(
    readiness: dict[str, Any] | None, api: str | None, worker: str | None
) -> None:
    assert (api_state(readiness), worker_state(readiness, "tiny")) == (api, worker)


@pytest.mark.parametrize(
    ("answer", "state"), [(None, "starts"), ({"status": "failed"}, "starts"), ({"status": "ok"}, None)]
)
def test_the_keeper_is_ready_when_its_probe_is_ok(answer: dict[str, Any] | None, state: str | None) -> None:
    assert keeper_state(answer) == state
