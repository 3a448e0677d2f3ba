"""Limits of concurrent deliveries: in total, per caller and per receiver, so that none delays the others."""

from collections import Counter

from jobs.model.delivery import Delivery

SLOW_S = 5.0  # a receiver with such a response time gets one delivery at a time, until it is faster
MAX_SLOW = 10_000  # remembered receivers


class DeliverySlots:
    """Slots for `threads` concurrent tries: at most an eighth to one receiver, three quarters for one caller.

    Several threads need a lock around it.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.max_of_lane = max(1, threads // 8)
        self.max_of_owner = max(1, threads * 3 // 4)
        self._of_lane: Counter[str] = Counter()
        self._of_owner: Counter[str] = Counter()
        self._slow: set[str] = set()

    @property
    def has_room(self) -> bool:
        """Whether a delivery may start."""
        return self._of_owner.total() < self.threads

    def busy(self) -> list[str]:
        """Lists the lanes and owners that have reached their limit."""
        lanes = [lane for lane, count in self._of_lane.items() if count >= self._max_of(lane)]
        return lanes + [owner for owner, count in self._of_owner.items() if count >= self.max_of_owner]

    def acquire(self, delivery: Delivery) -> None:
        """Takes a slot at the start of a try."""
        self._of_lane[delivery.lane] += 1
        self._of_owner[delivery.owner] += 1

    def release(self, delivery: Delivery, seconds: float) -> None:
        """Frees the slot at the end of a try, and records a slow receiver."""
        self._of_lane[delivery.lane] -= 1
        self._of_owner[delivery.owner] -= 1
        for counts in (self._of_lane, self._of_owner):
            counts += Counter()  # removes zero counts
        if seconds >= SLOW_S:
            self._slow.add(delivery.lane)
            if len(self._slow) > MAX_SLOW:
                self._slow.pop()
        else:
            self._slow.discard(delivery.lane)

    def _max_of(self, lane: str) -> int:
        return 1 if lane in self._slow else self.max_of_lane
