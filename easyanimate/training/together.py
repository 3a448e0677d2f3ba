"""Several processes of one training end together: when one cannot go on, none waits for it."""

import torch
from accelerate import Accelerator

from easyanimate.training.errors import TrainingError


class FailedElsewhere(TrainingError):
    """Another process of this training could not go on, and says why."""


class Together:
    """What the processes of a training agree on. Each call is made by all of them, at the same place."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator

    def any(self, mine: bool) -> bool:
        """Whether it is so in one of the processes."""
        if self._accelerator.num_processes == 1:
            return mine
        flag = torch.tensor(float(mine), device=self._accelerator.device)
        return bool(self._accelerator.reduce(flag, "sum") > 0)

    def go_on(self, problem: TrainingError | None) -> None:
        """Raises `problem` where there is one, and FailedElsewhere in the other processes."""
        failed = self.any(problem is not None)
        if problem is not None:
            raise problem
        if failed:
            raise FailedElsewhere("another process could not go on")
