"""The progress bar: a bar on a terminal, lines elsewhere."""

import re

import pytest

from cli.bar import open_bar
from cli.progress import phase_of


def test_a_log_has_one_line_per_phase(capsys: pytest.CaptureFixture[str]) -> None:
    with open_bar("video_1", 100) as bar:
        for done, phase, detail in (
            (0, "queued", "2 before it"),
            (0, "queued", "1 before it"),
            (50, "denoising", "1/2"),
        ):
            bar.update(done, phase, detail)
    assert capsys.readouterr() == ("", "video_1: queued\nvideo_1: denoising\n")


def test_a_terminal_has_one_bar_with_the_last_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "100")):  # rich writes as to a terminal
        monkeypatch.setenv(name, value)
    with open_bar("video_1", 10) as bar:
        bar.update(5, "denoising", "5/10")
        bar.update(3, "decoding")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(r"video_1 .*50% decoding", shown)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"state": "queued", "status": "queued", "queue": {"position": 2, "reason": None}}, ("queued", "2 before it")),
        ({"state": "queued", "status": "queued", "queue": {"position": 0, "reason": "model_unavailable"}},
         ("queued", "(model_unavailable)")),
        ({"state": "queued", "status": "queued"}, ("queued", "")),
        ({"state": "running", "status": "in_progress", "phase": "denoising", "step": 3, "total_steps": 8},
         ("denoising", "3/8")),
        ({"state": "running", "status": "in_progress", "phase": None, "step": 0, "total_steps": 0}, ("running", "")),
        ({"state": "paused", "status": "in_progress"}, ("paused", "")),
        ({"state": "cancelled", "status": "failed"}, ("cancelled", "")),
    ],
)  # fmt: skip
def test_the_phase_of_a_record(record: dict[str, object], expected: tuple[str, str]) -> None:
    assert phase_of(record) == expected
