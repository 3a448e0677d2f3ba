"""A task of the keeper: no error ends it, and its metrics tell finished sweeps from failed ones."""

from threading import Event

import pytest
from prometheus_client import generate_latest

from jobs.errors import QueueUnavailable, StorageUnavailable
from worker.keeper.periodic_task import PeriodicTask
from worker.metrics import KEEPER


def metric(name: str, task: str) -> float:
    """The value of a metric of the keeper for a task; 0 before its first value."""
    return KEEPER.get_sample_value(f"easyanimate_keeper_{name}", {"task": task}) or 0.0


def run(name: str, *errors: Exception | None) -> None:
    """Runs a task whose sweeps end with these errors, or None without one; it stops after the last sweep."""
    stopped, left = Event(), list(errors)

    def sweep() -> None:
        error = left.pop(0)
        if not left:
            stopped.set()
        if error is not None:
            raise error

    PeriodicTask(name, sweep, 0.0).run(stopped)
    assert left == []


def test_failures_begin_with_zero() -> None:
    PeriodicTask("a new one", lambda: None, 1.0)
    assert b'easyanimate_keeper_sweep_failures_total{task="a new one"} 0.0' in generate_latest(KEEPER)


@pytest.mark.parametrize("error", [QueueUnavailable("away"), StorageUnavailable("away"), ValueError("a bug")])
def test_a_failed_sweep_is_counted_and_the_next_one_follows(error: Exception) -> None:
    name = f"fails with {type(error).__name__}"
    run(name, error, error)
    values = [metric(part, name) for part in ("sweep_failures_total", "sweep_seconds_count")]
    assert (values, metric("last_sweep_timestamp_seconds", name)) == ([2, 0], 0)
    run(name, None)
    values = [metric(part, name) for part in ("sweep_failures_total", "sweep_seconds_count")]
    assert values == [2, 1]
    assert metric("last_sweep_timestamp_seconds", name) > 0


def test_the_time_of_a_sweep_is_known_while_it_runs() -> None:
    stopped, times = Event(), list[float]()

    def sweep() -> None:
        times.append(task.running_s())
        stopped.set()

    task: PeriodicTask = PeriodicTask("timed", sweep, 0.0)
    assert task.running_s() == 0
    task.run(stopped)
    assert times[0] > 0
    assert task.running_s() == 0
