"""Models that no worker serves: after a while that is said, in the record of every video that waits for one."""

import time

import structlog

from jobs.queue.registry import Registry

log = structlog.get_logger()


class UnservedModels:
    """Looks again and again. Several keepers may do so at once: the first to have seen it long enough says it."""

    def __init__(self, registry: Registry, after_s: float) -> None:
        self.registry = registry
        self.after_s = after_s
        self._since: dict[str, float] = {}  # by our own clock

    def check(self, model: str) -> None:
        """See whether anybody serves this model, and say so if nobody has for too long. A worker takes it back."""
        if self.registry.live_workers(model):
            self._since.pop(model, None)
            return
        now = time.monotonic()
        unserved_s = now - self._since.setdefault(model, now)
        if unserved_s >= self.after_s and self.registry.mark_unserved(model, unserved_s):
            log.warning("model.unserved", model=model, seconds=round(unserved_s))
