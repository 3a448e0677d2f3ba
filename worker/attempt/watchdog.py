"""How fast a run goes, by what the engine tells: how long it will take yet, and how long it may be silent."""

import time

from jobs.model.states import Phase
from worker.protocol.messages import Progress

MIN_SILENCE_S = 30.0  # machines stall for seconds, and a process that is ended in error costs more
LONGER_THAN_LONGEST = 10.0
ENOUGH = 3  # silences between two words, to know a phase by


class ProgressRate:
    """To be told of every word of the engine, with the progress in it if there is any."""

    def __init__(self) -> None:
        self._phase: Phase | None = None
        self._begun_at = self._heard_at = time.monotonic()
        self._begun_step = 0
        self._progress = Progress(Phase.LOADING, 0, 0)
        self._silences: list[float] = []

    def record(self, progress: Progress | None) -> None:
        """The engine said something."""
        now = time.monotonic()
        self._silences.append(now - self._heard_at)
        self._heard_at = now
        if progress is None:
            return
        if progress.phase is not self._phase:
            self._phase, self._begun_at, self._begun_step = progress.phase, now, progress.step
            self._silences.clear()
        self._progress = progress

    @property
    def silent_s(self) -> float:
        """How long the engine has said nothing."""
        return time.monotonic() - self._heard_at

    def silence_limit_s(self, limit_s: float) -> float:
        """How long it may be silent: ten times the longest silence of this phase so far, at most `limit_s`."""
        if len(self._silences) < ENOUGH:
            return limit_s
        return min(limit_s, max(MIN_SILENCE_S, LONGER_THAN_LONGEST * max(self._silences)))

    def seconds_left(self) -> float | None:
        """How long this phase will take yet; None if nothing is known of it."""
        if self._phase not in (Phase.DENOISING, Phase.DECODING):
            return None
        done = self._progress.step - self._begun_step
        if done <= 0:
            return None
        each_s = (self._heard_at - self._begun_at) / done
        return each_s * (self._progress.total_steps - self._progress.step) - self.silent_s
