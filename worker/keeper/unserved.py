"""Marks models without a worker as unserved; waiting videos then show a warning."""

import time

import structlog

from jobs.queue.registry import Registry

log = structlog.get_logger()


class UnservedModels:
    """Measures how long a model has no worker. Several keepers may run; the first at the limit marks it."""

    def __init__(self, registry: Registry, after_s: float) -> None:
        self.registry = registry
        self.after_s = after_s
        self._since: dict[str, float] = {}  # by the monotonic clock of this process

    def check(self, model: str) -> None:
        """Marks the model after `after_s` without a worker. A worker that announces it removes the mark.

        The time of a pause does not count: an operator may stop all workers then.
        """
        if self.registry.live_workers(model) or self.registry.pauses.is_paused(model):
            self._since.pop(model, None)
            return
        now = time.monotonic()
        unserved_s = now - self._since.setdefault(model, now)
        if unserved_s >= self.after_s and self.registry.mark_unserved(model, unserved_s):
            log.warning("model.unserved", model=model, seconds=round(unserved_s))
