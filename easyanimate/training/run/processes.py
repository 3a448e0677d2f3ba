"""Coordination of the processes of a training: when one fails, all of them end."""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator

from easyanimate.errors import EasyAnimateError
from easyanimate.training.errors import TrainingError

T = TypeVar("T")


def leave_process_group() -> None:
    """Closes the connection to the other processes; a process that ends with open connections may crash."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


class OtherProcessFailed(TrainingError):
    """Another process of this training failed; that process reports the reason."""


class ProcessGroup:
    """Collective operations of the processes of a training. All processes make each call, at the same point."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator

    def any(self, value: bool) -> bool:
        """Whether `value` is True in at least one process."""
        if self._accelerator.num_processes == 1:
            return value
        flag = torch.tensor(float(value), device=self._accelerator.device)
        return bool(self._accelerator.reduce(flag, "sum") > 0)

    def run_in_each(self, work: Callable[[], T]) -> T:
        """Runs `work` in each process. Raises its EasyAnimateError, and OtherProcessFailed in the other processes."""
        try:
            result = work()
        except EasyAnimateError:
            self.any(value=True)
            raise
        if self.any(value=False):
            raise OtherProcessFailed("another process failed")
        return result

    def run_in_main(self, work: Callable[[], None]) -> None:
        """Runs `work` in the main process while the others wait; an error ends all of them."""
        self.run_in_each(work if self._accelerator.is_main_process else lambda: None)
