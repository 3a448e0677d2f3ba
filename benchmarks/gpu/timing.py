"""Measures a call: the median time of several runs, and the peak of the device's memory during one."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

MAX_RUNS = 20


@dataclass(frozen=True)
class Timing:
    """The median `seconds` of `runs` runs; `peak_bytes` is None on a CPU, `failure` a reason without a figure."""

    seconds: float | None = None
    runs: int = 0
    peak_bytes: int | None = None
    failure: str | None = None


class Stopwatch:
    """Measures calls on a device until `minutes` have passed; later calls are recorded as not run."""

    def __init__(self, device: torch.device, minutes: float) -> None:
        self.device, self._end = device, time.monotonic() + 60 * minutes

    def is_over(self, seconds: float = 0.0) -> bool:
        """Whether a call that takes `seconds` would end too late."""
        return time.monotonic() + seconds > self._end

    def measure(self, call: Callable[[], object], *, seconds: float = 1.0, warm_up: bool = True) -> Timing:
        """Runs `call` once to warm up, and then for about `seconds`, at least once."""
        if self.is_over():
            return Timing(failure="not run: the time is over")
        try:
            expected = self._once(call) if warm_up else 0.0
            if self.is_over(expected):
                return Timing(expected, 1, failure="the only run, with its warm-up")
            self._reset_peak()
            runs = [self._once(call)]
            while len(runs) < MAX_RUNS and sum(runs) + runs[-1] < seconds:
                runs.append(self._once(call))
            return Timing(median(runs), len(runs), self._peak())
        except (torch.OutOfMemoryError, MemoryError):
            return Timing(failure="out of memory")
        except Exception as error:  # noqa: BLE001  a short run on a rented device must not lose its other figures
            return Timing(failure=f"{type(error).__name__}: {str(error).partition(chr(10))[0][:100]}")
        finally:
            self._free()

    def _once(self, call: Callable[[], object]) -> float:
        self._synchronize()
        started = time.perf_counter()
        call()
        self._synchronize()
        return time.perf_counter() - started

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _reset_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def _peak(self) -> int | None:
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None

    def _free(self) -> None:
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()
