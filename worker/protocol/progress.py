"""Progress of a run, the time of its phases, and its peak memory."""

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from jobs.model.states import Phase
from worker.protocol.messages import DeviceMemory, Event, Progress

ORDER = tuple(Phase)


class PhaseTimer:
    """Sends the progress of a run and measures its phases and its memory.

    A run of several windows repeats its phases. Their seconds add up, but the reported phase never goes back: until the
    last window it is denoising.
    """

    def __init__(
        self, send: Callable[[Event], None], device: torch.device, before: Mapping[str, float] | None = None
    ) -> None:
        """`before` are the seconds of the attempts that this one resumes."""
        self._send = send
        self._reported = Progress(Phase.LOADING, 0, 0)
        self.window: int | None = None
        self._phase: Phase | None = None
        self._seconds = {Phase(phase): seconds for phase, seconds in (before or {}).items()}
        self._since = time.monotonic()
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def enter(self, phase: Phase, count: tuple[int, int] | None = None, *, is_reported: bool = True) -> None:
        """Begins a phase with a count of (done, total). Without `is_reported` the reported progress stays."""
        now = time.monotonic()
        if self._phase is not None:
            self._seconds[self._phase] += now - self._since
        self._seconds.setdefault(phase, 0.0)
        self._phase, self._since = phase, now
        if is_reported and ORDER.index(phase) > ORDER.index(self._reported.phase):
            self._reported = Progress(phase, *(count or (self._reported.step, self._reported.total_steps)))
        self._reported = replace(self._reported, doing=phase, window=self.window)
        self._send(self._reported)
        if self._device.type == "cuda":
            free_bytes, total_bytes = torch.cuda.mem_get_info(self._device)
            self._send(DeviceMemory(total_bytes - free_bytes, total_bytes))

    def count(self, phase: Phase, done: int) -> None:
        """Adds `done` to the count of `phase`. Sends progress in any case: the watchdog needs a sign of life."""
        if phase is self._reported.phase:
            self._reported = replace(self._reported, step=self._reported.step + done)
        self._send(self._reported)

    def seconds(self) -> dict[str, float]:
        """The seconds of each phase until now."""
        seconds = dict(self._seconds)
        if self._phase is not None:
            seconds[self._phase] += time.monotonic() - self._since
        return {phase.value: round(duration_s, 3) for phase, duration_s in seconds.items()}

    def peak_memory_mb(self) -> float:
        """Peak memory in MiB: of the device since this timer began, or on a CPU of the process."""
        if self._device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self._device) / 2**20, 1)
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)
