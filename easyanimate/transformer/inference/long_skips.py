"""The results of long skips between their source and their end, on the device or in the memory of the host."""

from torch import Tensor


class LongSkips:
    """The results of one call, by the source block.

    With `on_host` they are copied to the host and back, for as many copies as there are skips in each call.
    """

    def __init__(self, *, on_host: bool) -> None:
        self._on_host = on_host
        self._kept: dict[int, Tensor] = {}

    def keep(self, source: int, result: Tensor) -> None:
        """Keeps the result [B, N, D] of the skip that begins at block `source`."""
        self._kept[source] = to_host(result) if self._on_host else result

    def add_to(self, x: Tensor, source: int) -> None:
        """Adds the result of the skip in place, and drops it."""
        kept = self._kept.pop(source)
        x.add_(from_host(kept, x) if self._on_host else kept)


def to_host(result: Tensor) -> Tensor:
    """The copy on the CPU; `result` itself where it is there already."""
    return result.cpu()


def from_host(kept: Tensor, like: Tensor) -> Tensor:
    """The copy on the device of `like`."""
    return kept.to(like.device)
