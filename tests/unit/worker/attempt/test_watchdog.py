"""How long the engine may be silent, the estimate of the rest of a phase, and the pause that follows from it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.model.states import Phase
from tests.clock import Clock
from worker.attempt.engine_process import EngineProcess
from worker.attempt.engine_session import RELEASE_S, EngineSession
from worker.attempt.stop_signals import StopSignals
from worker.attempt.watchdog import Watchdog
from worker.drain import Drain
from worker.protocol.messages import LoadModel, Progress
from worker.settings import WorkerSettings

SETTINGS = WorkerSettings.model_validate({"load_timeout_s": 900, "step_timeout_s": 600, "decode_timeout_s": 500})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("worker.attempt.watchdog.time", clock)
    monkeypatch.setattr("worker.drain.time", clock)
    return clock


Record = Callable[..., Watchdog]


@pytest.fixture
def record(clock: Clock) -> Record:
    """A watchdog that has recorded the first event of a phase, and further ones after these silences."""

    def record(phase: Phase, *silences: float, **changes: float) -> Watchdog:
        watchdog = Watchdog(SETTINGS.model_copy(update=changes), is_loading=False)
        watchdog.record(Progress(phase, 0, 10))
        for silence in silences:
            clock.now += silence
            watchdog.record(None)
        return watchdog

    return record


@pytest.mark.parametrize(
    ("phase", "limit_s"), [(phase, 500 if phase in ("decoding", "muxing") else 600) for phase in Phase]
)
def test_each_phase_of_a_run_has_its_timeout(record: Record, phase: Phase, limit_s: float) -> None:
    assert record(phase).silence_limit_s == limit_s


def test_a_load_and_a_run_without_progress_have_their_timeouts() -> None:
    assert [Watchdog(SETTINGS, is_loading=is_loading).silence_limit_s for is_loading in (True, False)] == [900, 600]


def test_from_three_silences_on_the_limit_is_ten_times_the_longest(record: Record) -> None:
    assert record(Phase.DENOISING, 4.0, 7.0).silence_limit_s == 600
    assert record(Phase.DENOISING, 4.0, 7.0, 5.0).silence_limit_s == 70


@pytest.mark.parametrize(
    ("silence_s", "limit_s"), [(0.1, 30.0), (3.0, 30.0), (3.5, 35.0), (60.0, 600.0), (70.0, 600.0)]
)
def test_the_limit_is_at_least_thirty_seconds_and_at_most_the_timeout(
    record: Record, silence_s: float, limit_s: float
) -> None:
    assert record(Phase.DENOISING, *[silence_s] * 3).silence_limit_s == limit_s


def test_a_timeout_below_thirty_seconds_is_kept(record: Record) -> None:
    assert record(Phase.DENOISING, 1.0, 1.0, 1.0, step_timeout_s=5.0).silence_limit_s == 5


def test_the_silences_of_another_phase_do_not_count(record: Record, clock: Clock) -> None:
    watchdog = record(Phase.DENOISING, 1.0, 1.0, 1.0)
    clock.now += 1.0
    watchdog.record(Progress(Phase.DECODING, 0, 10))
    for limit_s in (500, 500, 500, 30):
        assert watchdog.silence_limit_s == limit_s
        clock.now += 1.0
        watchdog.record(Progress(Phase.DECODING, 1, 10))


def test_any_event_ends_the_silence(record: Record, clock: Clock) -> None:
    watchdog = record(Phase.DENOISING)
    clock.now += 9.0
    assert watchdog.silent_s == 9
    watchdog.record(None)
    assert watchdog.silent_s == 0


@pytest.mark.parametrize("first_step", [0, 4])
def test_the_rest_of_a_phase_is_estimated_from_its_own_steps(clock: Clock, first_step: int) -> None:
    watchdog = Watchdog(SETTINGS, is_loading=False)
    watchdog.record(Progress(Phase.DENOISING, first_step, 10))
    clock.now += 5.0
    assert watchdog.seconds_left() is None
    clock.now += 15.0
    watchdog.record(Progress(Phase.DENOISING, first_step + 2, 10))
    assert watchdog.seconds_left() == 10 * (8 - first_step)
    clock.now += 3.0
    assert watchdog.seconds_left() == 10 * (8 - first_step) - 3


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in ("denoising", "decoding")])
def test_phases_without_steps_have_no_estimate(record: Record, clock: Clock, phase: Phase) -> None:
    watchdog = record(phase)
    clock.now += 1.0
    watchdog.record(Progress(phase, 1, 10))
    assert watchdog.seconds_left() is None


def session_with(drain: Drain) -> EngineSession:
    heartbeat: Any = SimpleNamespace()
    engine = EngineProcess(LoadModel(SETTINGS.model_folder, "cpu", "float32", "json"), ["none"])
    return EngineSession(engine, SETTINGS, StopSignals(heartbeat, drain), lambda _: None)


@pytest.mark.parametrize(("grace_s", "pauses"), [(80 + RELEASE_S, False), (80 + RELEASE_S - 0.1, True)])
def test_a_draining_worker_pauses_a_run_that_would_not_end_in_time(clock: Clock, grace_s: float, pauses: bool) -> None:
    drain, run = Drain(grace_s), Any
    session = session_with(drain)
    session.watchdog = Watchdog(SETTINGS, is_loading=False)
    session.watchdog.record(Progress(Phase.DENOISING, 0, 10))
    clock.now += 20.0
    session.watchdog.record(Progress(Phase.DENOISING, 2, 10))  # 80 s are left
    assert not session._must_pause(run)  # type: ignore[arg-type]
    drain.begin()
    assert session._must_pause(run) is pauses  # type: ignore[arg-type]


def test_a_draining_worker_pauses_no_run_whose_rest_is_unknown_and_waits_for_no_load(clock: Clock) -> None:
    drain = Drain(1.0)
    session = session_with(drain)
    drain.begin()
    assert clock.now
    assert not session._must_pause(Any)  # type: ignore[arg-type]
    assert session._must_pause(None)
