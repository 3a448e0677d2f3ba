"""What a training is made of, for the loop: a network that returns its loss, and how a batch for it is made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from torch import Tensor, nn


@dataclass(frozen=True)
class TaskContext:
    """Where in a training something is: the step, the part of an accumulated step, the process among processes."""

    seed: int
    step: int
    steps: int
    part: int = 0
    process: int = 0

    def of_all(self) -> tuple[int | str, ...]:
        """Names the place for what all processes draw alike."""
        return ("all", self.seed, self.step, self.part)

    def own(self) -> tuple[int | str, ...]:
        """Names the place for what each process draws for itself."""
        return ("own", self.seed, self.step, self.part, self.process)


class TrainingTask(Protocol):
    """One kind of training. `network(batch)` returns named losses, of which "loss" is the one to lower."""

    @property
    def network(self) -> nn.Module:
        """What is trained."""

    def batch(self, place: TaskContext) -> Any:
        """What the network takes at this place; a function of the place alone."""

    def sample(self) -> Image.Image | None:
        """A picture of what has been learnt so far, or nothing."""

    def measure(self) -> dict[str, float]:
        """What else there is to tell of what has been learnt so far."""

    def save(self, folder: Path) -> None:
        """Write the networks as they are, in the published layout."""


Losses = dict[str, Tensor]
