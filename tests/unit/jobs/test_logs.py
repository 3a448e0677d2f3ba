"""One JSON line per event, from this product and from libraries."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, structlog
from jobs.logs import configure_logging
configure_logging("{form}", "{level}", process="worker")
log = structlog.get_logger()
log.info("job.finished", job_id="video_1", seconds=41.2)
logging.getLogger("some.package").warning("disk %s", "full")
logging.getLogger("httpx").info("GET https://secret.example")
log.debug("job.checked")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("job.failed")
"""


def lines(form: str, level: str = "info") -> list[str]:
    program = PROGRAM.format(form=form, level=level)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_every_line_is_json_with_level_time_and_process() -> None:
    for line in map(json.loads, lines("json")):
        assert {"event", "level", "timestamp", "process"} <= line.keys()


def test_an_event_carries_its_fields() -> None:
    first = json.loads(lines("json")[0])
    assert (first["event"], first["job_id"], first["seconds"]) == ("job.finished", "video_1", 41.2)


def test_lines_of_libraries_have_the_same_format() -> None:
    second = json.loads(lines("json")[1])
    assert (second["event"], second["level"]) == ("disk full", "warning")


def test_an_error_keeps_its_traceback_on_the_same_line() -> None:
    last = json.loads(lines("json")[-1])
    assert last["event"] == "job.failed"
    assert "ZeroDivisionError" in last["exception"]


def test_info_lines_of_verbose_libraries_are_dropped() -> None:
    assert not any("secret.example" in line for line in lines("json"))


def test_the_console_format_is_readable() -> None:
    assert "job.finished" in lines("console")[0]


@pytest.mark.parametrize(
    ("level", "events"),
    [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)],
)
def test_lines_below_the_level_are_dropped(level: str, events: int) -> None:
    assert len(lines("json", level)) == events
