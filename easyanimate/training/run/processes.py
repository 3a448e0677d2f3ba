"""Several processes of one training end together: when one cannot go on, none waits for it."""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator

from easyanimate.errors import EasyAnimateError
from easyanimate.training.errors import TrainingError

T = TypeVar("T")


def leave_processes() -> None:
    """Let go of the other processes: one that ends while torch's threads still listen to them may crash."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


class FailedElsewhere(TrainingError):
    """Another process of this training could not go on, and says why."""


class ProcessGroup:
    """What the processes of a training agree on. Each call is made by all of them, at the same place."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator

    def any(self, mine: bool) -> bool:
        """Whether it is so in one of the processes."""
        if self._accelerator.num_processes == 1:
            return mine
        flag = torch.tensor(float(mine), device=self._accelerator.device)
        return bool(self._accelerator.reduce(flag, "sum") > 0)

    def each(self, work: Callable[[], T]) -> T:
        """What `work` returns here. Raises its EasyAnimateError, and FailedElsewhere where it went well."""
        try:
            done = work()
        except EasyAnimateError:
            self.any(mine=True)
            raise
        if self.any(mine=False):
            raise FailedElsewhere("another process could not go on")
        return done

    def in_main(self, work: Callable[[], None]) -> None:
        """`work` done by the first process; the others wait for it, and end with it if it cannot be done."""
        self.each(work if self._accelerator.is_main_process else lambda: None)
