"""Out of memory is retried: first without the other models, then once in the next smaller memory profile."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from worker import metrics
from worker.attempt.engine_process import EngineProcess
from worker.attempt.engine_session import EngineSession
from worker.attempt.outcomes import JobFailed, OutOfMemory
from worker.attempt.stop_signals import StopSignals
from worker.drain import Drain
from worker.protocol.messages import Command, Done, Event, Failed, Loaded, LoadModel, Run
from worker.settings import WorkerSettings

FIRST = LoadModel(Path("models/first"), "cpu", "float32", "json", memory="normal")
MEMORY, DONE = Failed("gpu_out_of_memory"), Done("", 1, 0.0, {})


class Engine(EngineProcess):
    """An engine without a process: each run ends with the next event. `runs` are its profiles and other models."""

    def __init__(self, others: int, *events: Event) -> None:
        super().__init__(FIRST)
        self.loaded = {name: Loaded("normal") for name in ("first", "second", "third")[: 1 + others]}
        self.events, self.runs = list(events), list[tuple[str, int]]()

    def start(self, model: str | None = None) -> None:
        others = {} if self.load.model in self._exclusive else self.loaded
        self.loaded = {**others, self.load.model: Loaded(self.load.memory)}

    def send(self, command: Command) -> None:
        assert isinstance(command, Run)
        self.runs.append((self.memory, len(self.loaded) - 1))

    def poll(self, timeout_s: float) -> Event | None:
        return self.events.pop(0)


def run(engine: Engine) -> Done:
    unset, request = SimpleNamespace(is_set=lambda: False), SimpleNamespace(model="first")
    heartbeat: Any = SimpleNamespace(
        is_lost=unset, is_dead=False, is_cancelled=unset, is_late=unset, preempted_for=None
    )
    signals = StopSignals(heartbeat, Drain(60.0))
    session = EngineSession(engine, WorkerSettings.model_validate({}), signals, lambda _: None)
    return session.run(Run("token", request, Path("video.mp4")))  # type: ignore[arg-type]


def retries() -> list[float]:
    """The retries so far: alone, and in a smaller profile."""
    name = "easyanimate_worker_memory_retries_total"
    return [metrics.WORKER.get_sample_value(name, {"way": way}) or 0.0 for way in metrics.MEMORY_RETRY_WAYS]


@pytest.mark.parametrize(
    ("others", "runs"),
    [
        (2, [("normal", 2), ("normal", 0), ("low", 0)]),
        (0, [("normal", 0), ("low", 0)]),
    ],
)
def test_the_other_models_are_evicted_before_the_profile_is_smaller(others: int, runs: list[tuple[str, int]]) -> None:
    before = retries()
    engine = Engine(others, *[MEMORY] * (len(runs) - 1), DONE)
    assert run(engine) == DONE
    assert engine.runs == runs
    assert (engine.load.memory, engine.loaded) == ("normal", {})  # the next run has the old profile
    assert [b - a for a, b in zip(before, retries(), strict=True)] == [bool(others), 1]


def test_a_smaller_profile_is_tried_once() -> None:
    engine = Engine(0, MEMORY, MEMORY)
    with pytest.raises(OutOfMemory):
        run(engine)
    assert engine.runs == [("normal", 0), ("low", 0)]


def test_the_smallest_profile_has_no_retry() -> None:
    engine = Engine(0, MEMORY)
    engine.load = replace(FIRST, memory="lowest")
    with pytest.raises(OutOfMemory):
        run(engine)
    assert engine.runs == [("lowest", 0)]


def test_another_failure_is_not_retried() -> None:
    engine = Engine(2, Failed("invalid_lora", "There is no such LoRA."))
    with pytest.raises(JobFailed) as outcome:
        run(engine)
    assert (outcome.value.why.code, outcome.value.why.message) == ("invalid_lora", "There is no such LoRA.")
    assert len(engine.runs) == 1
