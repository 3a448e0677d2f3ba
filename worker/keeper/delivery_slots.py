"""How many deliveries may be under way: in all, for one caller, and to one receiver, so that none delays another's."""

from collections import Counter

from jobs.model.delivery import Delivery

SLOW_S = 5.0  # a receiver that took so long gets one delivery at a time, until it answers faster
MAX_SLOW = 10_000  # are remembered


class DeliverySlots:
    """Room for `threads` tries at once: an eighth of them to one receiver, three quarters for one caller.

    Not for several threads at once without a lock.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.most_of_lane = max(1, threads // 8)
        self.most_of_owner = max(1, threads * 3 // 4)
        self._of_lane: Counter[str] = Counter()
        self._of_owner: Counter[str] = Counter()
        self._slow: set[str] = set()

    @property
    def has_room(self) -> bool:
        """Whether any delivery may start."""
        return self._of_owner.total() < self.threads

    def busy(self) -> list[str]:
        """The lanes and owners that have enough under way."""
        lanes = [lane for lane, count in self._of_lane.items() if count >= self._most(lane)]
        return lanes + [owner for owner, count in self._of_owner.items() if count >= self.most_of_owner]

    def acquire(self, delivery: Delivery) -> None:
        """A try begins."""
        self._of_lane[delivery.lane] += 1
        self._of_owner[delivery.owner] += 1

    def release(self, delivery: Delivery, seconds: float) -> None:
        """A try has ended and took so long."""
        self._of_lane[delivery.lane] -= 1
        self._of_owner[delivery.owner] -= 1
        for counts in (self._of_lane, self._of_owner):
            counts += Counter()  # forgets those that have none left
        if seconds >= SLOW_S:
            self._slow.add(delivery.lane)
            if len(self._slow) > MAX_SLOW:
                self._slow.pop()
        else:
            self._slow.discard(delivery.lane)

    def _most(self, lane: str) -> int:
        return 1 if lane in self._slow else self.most_of_lane
