"""The attention kernels of a training, also for the recomputation of checkpointed blocks."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

ALL = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH)


def attention_backend(device: torch.device) -> AbstractContextManager[None]:
    """Selects the attention kernel: matrix products on the CPU, fastest for a small model; elsewhere torch chooses."""
    backends = [SDPBackend.MATH] if device.type == "cpu" else list(ALL)
    context: AbstractContextManager[None] = sdpa_kernel(backends)
    return context


def checkpoint_function(device: torch.device) -> Callable[..., Any]:
    """The function for `enable_gradient_checkpointing`; the recomputation uses the same attention kernel."""

    def run(module: nn.Module, *args: Any) -> Any:
        return checkpoint(
            module.__call__, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), attention_backend(device))
        )

    return run
