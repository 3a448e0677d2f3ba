"""The interface between the training loop and what it trains: a network with its loss, and its batches."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from torch import Tensor, nn


@dataclass(frozen=True)
class TaskContext:
    """The position in a training: step, part of an accumulated step, and process. It seeds random numbers."""

    seed: int
    step: int
    steps: int
    accumulation_step: int = 0
    process: int = 0

    def shared_key(self) -> tuple[int | str, ...]:
        """The key of random numbers that all processes share."""
        return ("all", self.seed, self.step, self.accumulation_step)

    def process_key(self) -> tuple[int | str, ...]:
        """The key of random numbers of one process."""
        return ("own", self.seed, self.step, self.accumulation_step, self.process)


class TrainingTask(Protocol):
    """One kind of training. `network(batch)` returns named losses; the optimizer minimises "loss"."""

    @property
    def network(self) -> nn.Module:
        """The trained network."""

    def batch(self, context: TaskContext) -> Any:
        """The input of the network; it depends on `context` only."""

    def sample(self) -> Image.Image | None:
        """An image of what the current weights generate, if the task has one."""

    def measure(self) -> dict[str, float]:
        """Further measurements of the current weights, by name, for the log."""

    def save(self, folder: Path) -> None:
        """Writes the current networks in the published layout."""


Losses = dict[str, Tensor]
