"""Guidance on two devices: each of two processes computes one row of each call, and both have the whole result.

Both processes run the same call with the same inputs and the same seed, for example by `torchrun --nproc-per-node 2`.
They exchange one estimate of the noise in each step. The steps themselves are equal in both. A call that ends early in
one process, by an exception of its callback, must end in the other too, which otherwise waits for the time limit of the
group. After a failed exchange the group is of no more use.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, distributed

from easyanimate.errors import ExchangeFailed, InvalidInput

ROWS = 2  # the negative prompt and the prompt


@dataclass(frozen=True)
class GuidanceHalves:
    """The part of this process: `row` 0 is that of the negative prompt, 1 that of the prompt."""

    row: int
    group: Any = None

    @classmethod
    def of_group(cls, group: Any = None) -> Self:
        """The part of this process in `group`, or in the default one. InvalidInput unless it has two processes."""
        if not (distributed.is_available() and distributed.is_initialized()):
            raise InvalidInput("guidance on two devices needs torch.distributed.init_process_group before it")
        processes = distributed.get_world_size(group)
        if processes != ROWS:
            raise InvalidInput(f"guidance has {ROWS} rows, one for each process; the group has {processes} processes")
        return cls(distributed.get_rank(group), group)

    def gather(self, estimate: Tensor) -> Tensor:
        """[1, ...] of this process -> [2, ...] of both, in the order of the rows. Raises ExchangeFailed."""
        parts = [torch.empty_like(estimate) for _ in range(ROWS)]
        try:
            distributed.all_gather(parts, estimate.contiguous(), group=self.group)
        except RuntimeError as error:  # also of gloo, which has no class of its own
            reason = str(error).partition("\n")[0]
            message = f"the exchange with the other process of guidance failed ({reason}); start both processes again"
            raise ExchangeFailed(message) from error
        return torch.cat(parts)
