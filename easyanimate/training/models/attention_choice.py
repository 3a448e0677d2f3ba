"""Which of torch's attentions a training uses, also where a checkpointed block is computed again."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

ALL = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH)


def attention_of(device: torch.device) -> AbstractContextManager[None]:
    """On the CPU plain matrices are fastest for a small model; elsewhere torch chooses."""
    backends = [SDPBackend.MATH] if device.type == "cpu" else list(ALL)
    context: AbstractContextManager[None] = sdpa_kernel(backends)
    return context


def checkpoint_with(device: torch.device) -> Callable[..., Any]:
    """For `enable_gradient_checkpointing`: the second computation sees the attention of the first."""

    def run(module: nn.Module, *args: Any) -> Any:
        return checkpoint(
            module.__call__, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), attention_of(device))
        )

    return run
