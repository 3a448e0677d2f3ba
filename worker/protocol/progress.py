"""How far a run is, and what its phases and its memory cost."""

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from jobs.model.states import Phase
from worker.protocol.messages import Event, Progress

ORDER = tuple(Phase)


class PhaseTimer:
    """Tells how far a run is, and measures its phases and its memory.

    A run of several windows goes through its phases again and again: their seconds add up, while what is told only
    goes forward. So all windows but the last are told as denoising.
    """

    def __init__(
        self, tell: Callable[[Event], None], device: torch.device, before: Mapping[str, float] | None = None
    ) -> None:
        """`before` are the seconds of the attempts whose work is gone on with."""
        self._tell = tell
        self._told = Progress(Phase.LOADING, 0, 0)
        self._phase: Phase | None = None
        self._seconds = {Phase(phase): seconds for phase, seconds in (before or {}).items()}
        self._since = time.monotonic()
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def enter(self, phase: Phase, count: tuple[int, int] | None = None, *, told: bool = True) -> None:
        """A phase begins, with so much of so much done; unless it is `told`, what was told before stands."""
        now = time.monotonic()
        if self._phase is not None:
            self._seconds[self._phase] += now - self._since
        self._seconds.setdefault(phase, 0.0)
        self._phase, self._since = phase, now
        if told and ORDER.index(phase) > ORDER.index(self._told.phase):
            self._told = Progress(phase, *(count or (self._told.step, self._told.total_steps)))
        self._tell(self._told)

    def count(self, phase: Phase, done: int) -> None:
        """So much more is done in `phase`; if something else is told, it is a sign of life all the same."""
        if phase is self._told.phase:
            self._told = replace(self._told, step=self._told.step + done)
        self._tell(self._told)

    def seconds(self) -> dict[str, float]:
        """What each phase has taken until now."""
        seconds = dict(self._seconds)
        if self._phase is not None:
            seconds[self._phase] += time.monotonic() - self._since
        return {phase.value: round(took, 3) for phase, took in seconds.items()}

    def peak_memory_mb(self) -> float:
        """The most memory of the device in MiB since the watch began; on a CPU, of the process since it was started."""
        if self._device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self._device) / 2**20, 1)
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)
