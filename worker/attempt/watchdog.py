"""The watchdog: how long the engine may be silent, and an estimate of the time that a phase still needs.

The limit is ten times the longest silence so far, at least 30 s, and at most `load_timeout_s`, `step_timeout_s` or
`decode_timeout_s` of `worker/settings.py`. `engine_session.py` ends an engine that exceeds it.
"""

import time

from jobs.model.states import Phase
from worker.protocol.messages import Progress
from worker.settings import WorkerSettings

MIN_SILENCE_S = 30.0  # machines stall for seconds, and to end a working engine costs more
SILENCE_FACTOR = 10.0  # of the longest silence so far
MIN_SAMPLES = 3  # silences of a phase before they count


class Watchdog:
    """Records the times of all events of the engine during one load or run, and the progress in them."""

    def __init__(self, settings: WorkerSettings, *, is_loading: bool) -> None:
        self._settings, self._is_loading = settings, is_loading
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

    @property
    def silence_limit_s(self) -> float:
        """The longest allowed silence: the timeout of the phase, or less if its messages are frequent.

        After three silences in a phase it is ten times the longest of them, at least 30 s and at most the timeout.
        """
        if len(self._silences) < MIN_SAMPLES:
            return self._timeout_s()
        return min(self._timeout_s(), max(MIN_SILENCE_S, SILENCE_FACTOR * max(self._silences)))

    def _timeout_s(self) -> float:
        if self._is_loading:
            return self._settings.load_timeout_s
        if self._progress.phase in (Phase.DECODING, Phase.MUXING):
            return self._settings.decode_timeout_s
        return self._settings.step_timeout_s

    def seconds_left(self) -> float | None:
        """An estimate of the time this phase still needs; None without a step to measure."""
        if self._phase not in (Phase.DENOISING, Phase.DECODING):
            return None
        done = self._progress.step - self._first_step
        if done <= 0:
            return None
        step_s = (self._last_event_at - self._began_at) / done
        return step_s * (self._progress.total_steps - self._progress.step) - self.silent_s
