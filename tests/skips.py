"""Turns each skipped test into a failure, except the kinds that may be skipped: a green run has run all others."""

from collections.abc import Generator

import pytest

MAY_SKIP = {"gpu": "there is no CUDA device"}  # marker -> the only reason for which its tests may be skipped
ADVICE = "install what is missing, or leave the test out with --deselect or --ignore"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Reports a skipped test as failed, unless its kind may be skipped."""
    report = yield
    if report.skipped and not _may_skip(item, _reason(report)):
        report.longrepr = f"the test did not run to its end: {_reason(report)}; {ADVICE}"
        report.outcome = "failed"
        vars(report).pop("wasxfail", None)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Reports a file that was skipped as a whole as failed."""
    report = yield
    if report.skipped:
        report.longrepr = f"the tests of this file did not run: {_reason(report)}; {ADVICE}"
        report.outcome = "failed"
    return report


def _may_skip(item: pytest.Item, reason: str) -> bool:
    return any(item.get_closest_marker(marker) and reason == allowed for marker, allowed in MAY_SKIP.items())


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail {report.wasxfail}".strip()
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix("Skipped: ")
