"""The order in which the queues of a worker's models are read: loaded models first, for a limited time."""

import time
from collections.abc import Callable, Collection, Iterable


class ModelRotation:
    """Loading takes time, so loaded models come first for `turn_s` seconds after the last load; then the others do.

    Within each of the two groups, the least recently served model comes first.
    """

    def __init__(self, models: Iterable[str], turn_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.turn_s = turn_s
        self._clock = clock
        self._models = list(models)  # the least recently served one first
        self._loaded: frozenset[str] = frozenset()
        self._turn_began_at = clock()

    def served(self, model: str) -> None:
        """Moves `model` to the end, because a ticket of it was received."""
        self._models.remove(model)
        self._models.append(model)

    def remove(self, model: str) -> None:
        """Removes a model that is no longer served."""
        self._models.remove(model)

    def order(self, loaded: Collection[str]) -> list[str]:
        """All models, in the order in which their queues are to be read."""
        if frozenset(loaded) - self._loaded:
            self._turn_began_at = self._clock()
        self._loaded = frozenset(loaded)
        is_over = self._clock() - self._turn_began_at >= self.turn_s
        return sorted(self._models, key=lambda model: (model in loaded) is is_over)
