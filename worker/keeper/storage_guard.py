"""Runs the sweeps that delete objects only while the storage belongs to this installation."""

from collections.abc import Callable
from threading import Lock

from jobs.store.keeper.ownership import StorageOwnership
from worker import metrics


class StorageGuard:
    """Confirms the ownership of the storage before each sweep. Several threads may use it.

    Methods may raise QueueUnavailable and StorageUnavailable.
    """

    def __init__(self, ownership: StorageOwnership) -> None:
        self.ownership = ownership
        self._lock = Lock()
        self._is_confirmed = False

    def mark_early(self) -> None:
        """Confirms the ownership once, soon after the start: a new storage is then marked while it is empty."""
        if not self._is_confirmed:
            self._confirm()

    def sweep(self, sweep: Callable[[], None]) -> None:
        """Calls `sweep` if the storage is owned."""
        if self._confirm():
            sweep()

    def _confirm(self) -> bool:
        with self._lock:
            is_owned = self.ownership.confirm()
            self._is_confirmed = True
        metrics.STORAGE_OWNED.set(is_owned)
        return is_owned
