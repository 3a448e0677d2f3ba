"""What `easyanimate up` prints while it starts."""

from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from cli.stack.ports import free_port
from cli.stack.startup import IdleReport, StartupReport, api_state, keeper_state, read_json, worker_state


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
        (
            {"missing": [], "workers": {"tiny": 1}, "idle_reasons": {"tiny": "disk_full"}},
            None,
            "takes no jobs: the disk of its spool is full",
        ),
        (
            {"missing": [], "workers": {"tiny": 1}, "idle_reasons": {"tiny": "model_broken"}},
            None,
            "takes no jobs: model_broken",
        ),
        ({"missing": [], "workers": {"tiny": 1}, "idle_reasons": {"other": "disk_full"}}, None, None),
        ({"missing": [], "workers": {"tiny": 1}, "idle_reasons": {"tiny": "paused"}}, None, None),
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


def test_probes_read_the_trusted_certificates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    create = Mock(wraps=httpx.Client)  # each new client reads them
    monkeypatch.setattr(httpx, "Client", create)
    url = f"http://127.0.0.1:{free_port()}"
    assert [read_json(url) for _ in range(3)] == [None, None, None]
    assert create.call_count <= 1


def test_a_worker_that_begins_to_take_no_jobs_is_reported_once_and_so_is_its_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full: dict[str, Any] = {"idle_reasons": {"tiny": "disk_full"}}
    answers = iter([{"idle_reasons": {}}, full, full, None, full, {"idle_reasons": {}}])
    monkeypatch.setattr("cli.stack.startup.read_json", lambda _: next(answers))
    lines: list[str] = []
    now = 0.0
    report = IdleReport(lines.append, "tiny", "http://127.0.0.1", lambda: now)
    for _ in range(6):
        report.update()  # at most every five seconds
        now += 5.0
        report.update()
    assert lines == ["the worker takes no jobs: the disk of its spool is full", "the worker takes jobs again"]
