"""Which of a worker's models goes first: one that is loaded, but not for ever while others wait."""

import time
from collections.abc import Callable, Collection, Iterable


class ModelRotation:
    """Loading takes time, so jobs of loaded models go first, for `turn_s` seconds after the last load; then the others.

    Among those that are loaded, and among those that are not, the one goes first that had its turn longest ago.
    """

    def __init__(self, models: Iterable[str], turn_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.turn_s = turn_s
        self._clock = clock
        self._models = list(models)  # the one that had its turn longest ago first
        self._loaded: frozenset[str] = frozenset()
        self._begun_at = clock()

    def served(self, model: str) -> None:
        """A job of this model was looked for."""
        self._models.remove(model)
        self._models.append(model)

    def remove(self, model: str) -> None:
        """This model has no turns any more."""
        self._models.remove(model)

    def order(self, loaded: Collection[str]) -> list[str]:
        """All models, in the order in which their jobs are to be looked for."""
        if frozenset(loaded) - self._loaded:
            self._begun_at = self._clock()
        self._loaded = frozenset(loaded)
        is_over = self._clock() - self._begun_at >= self.turn_s
        return sorted(self._models, key=lambda model: (model in loaded) is is_over)
