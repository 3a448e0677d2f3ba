"""The progress rate of a run: an estimate of the time left, and a limit for the engine's silence."""

import time

from jobs.model.states import Phase
from worker.protocol.messages import Progress

MIN_SILENCE_S = 30.0  # machines stall for seconds, and to end a working engine costs more
SILENCE_FACTOR = 10.0  # of the longest silence so far
MIN_SAMPLES = 3  # silences of a phase before they count


class ProgressRate:
    """Records the times of all events of the engine, and the progress in them."""

    def __init__(self) -> None:
        self._phase: Phase | None = None
        self._began_at = self._last_event_at = time.monotonic()
        self._first_step = 0
        self._progress = Progress(Phase.LOADING, 0, 0)
        self._silences: list[float] = []

    def record(self, progress: Progress | None) -> None:
        """Records an event of the engine; `progress` is None for an event of another kind."""
        now = time.monotonic()
        self._silences.append(now - self._last_event_at)
        self._last_event_at = now
        if progress is None:
            return
        if progress.phase is not self._phase:
            self._phase, self._began_at, self._first_step = progress.phase, now, progress.step
            self._silences.clear()
        self._progress = progress

    @property
    def silent_s(self) -> float:
        """Seconds since the last event."""
        return time.monotonic() - self._last_event_at

    def silence_limit_s(self, limit_s: float) -> float:
        """The longest allowed silence: ten times the longest one of this phase so far, at most `limit_s`."""
        if len(self._silences) < MIN_SAMPLES:
            return limit_s
        return min(limit_s, max(MIN_SILENCE_S, SILENCE_FACTOR * max(self._silences)))

    def seconds_left(self) -> float | None:
        """An estimate of the time this phase still needs; None without a step to measure."""
        if self._phase not in (Phase.DENOISING, Phase.DECODING):
            return None
        done = self._progress.step - self._first_step
        if done <= 0:
            return None
        step_s = (self._last_event_at - self._began_at) / done
        return step_s * (self._progress.total_steps - self._progress.step) - self.silent_s
