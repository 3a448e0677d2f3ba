"""Compiles the blocks of a transformer when a model is loaded (`torch.compile` of regions).

All blocks of a kind share one graph, with sizes as variables. The graphs are those of the warm-up and of nothing else:
a call of another structure, such as an image or a block with a LoRA, is computed as without a compiler. So frames do
not depend on the videos before. The result differs from that without a compiler by rounding.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.transformer.inference.blocks import compute_block
from easyanimate.transformer.inference.graph import block_graphs
from easyanimate.transformer.inference.run_cache import RunCache

BLOCKS = "blocks"  # the value of the setting, and of `compiled` in manifests and checkpoints
Stance = Literal["default", "eager_on_recompile", "fail_on_recompile"]

# The rows of the warm-up: guidance, where masked tokens give the context a bias, and a prompt alone.
WARM_UP_ROWS = (2, 1)
# Sizes without a common value: the compiler takes equal sizes for one variable.
FRAMES, TOKENS, SIDES = 7, 11, (15, 17)
GRAPHS_OF_A_PROCESS = 64  # of all its models, which share the function; torch stops at 8


class CompiledBlocks:
    """`compute_block`, compiled by `backend`. Outside of the warm-up nothing more is compiled."""

    def __init__(self, backend: str) -> None:
        self.stance: Stance = "default"
        # Without measurements on the device, which would let equal workers choose kernels that round differently.
        options: dict[str, Any] | None = {"deterministic": True} if backend == "inductor" else None
        self._compute = torch.compile(compute_block, dynamic=True, fullgraph=True, backend=backend, options=options)

    def __call__(self, *arguments: Any) -> None:
        """`compute_block` of these arguments."""
        with torch.compiler.set_stance(self.stance), block_graphs():
            self._compute(*arguments)


def compile_blocks(transformer: Any, backend: str = "inductor") -> float:
    """Compiles the blocks of a loaded `transformer` on its device; returns the seconds of the warm-up.

    Call it in `torch.inference_mode` if later runs are in it, since graphs are those of a mode.
    Raises InvalidInput without a compiler for the device; the blocks then compute as before.
    """
    started = time.monotonic()
    try:
        compiled = CompiledBlocks(backend)
        set_compiled_blocks(transformer, compiled)
        with _more_graphs():
            _warm_up(transformer, compiled)
    except Exception as problem:  # compilers raise many types
        set_compiled_blocks(transformer, None)
        reason = f"{type(problem).__name__}: {problem}".partition("\n")[0]
        raise InvalidInput(
            f"the blocks cannot be compiled here ({reason}); install a C++ compiler and the headers of Python "
            "(Debian: g++ and python3-dev), on a GPU also Triton, or set EASYANIMATE_COMPILE=off"
        ) from problem
    return time.monotonic() - started


def set_compiled_blocks(transformer: Any, compiled: CompiledBlocks | None) -> None:
    """Sets how the blocks compute; None is without a compiler."""
    for block in transformer.transformer_blocks:
        block.compiled = compiled


def compiled_blocks_of(transformer: Any) -> CompiledBlocks | None:
    """The compiled computation of the blocks, if there is one."""
    compiled: CompiledBlocks | None = transformer.transformer_blocks[0].compiled
    return compiled


def _more_graphs() -> AbstractContextManager[None]:
    """Raises the limit of graphs inside, where this version of torch lets programs set it."""
    config: Any = torch.compiler.config
    if not hasattr(config, "recompile_limit"):
        return nullcontext()
    more: AbstractContextManager[None] = config.patch(recompile_limit=GRAPHS_OF_A_PROCESS)
    return more


@torch.no_grad()
def _warm_up(transformer: Any, compiled: CompiledBlocks) -> None:
    """Compiles all graphs, then checks that the same calls need no more of them."""
    stances: tuple[Stance, ...] = ("default", "fail_on_recompile")
    for stance in stances:
        compiled.stance = stance
        for rows in WARM_UP_ROWS:
            transformer(**warm_up_inputs(transformer, rows), cache=RunCache())
    compiled.stance = "eager_on_recompile"


def warm_up_inputs(transformer: Any, rows: int) -> dict[str, Tensor]:
    """The arguments of a call with `rows` rows; the text of the first one is shorter than that of the last."""
    config, like = transformer.config, transformer.proj_out.weight
    frames, height, width = min(FRAMES, transformer.max_frames), *(side * config["patch_size"] for side in SIDES)
    channels = {"hidden_states": 4, "inpaint_latents": config["in_channels"] - 4}
    arguments = {name: like.new_zeros(rows, count, frames, height, width) for name, count in channels.items()}
    mask = like.new_ones(rows, TOKENS)
    mask[: rows - 1, 1:] = 0
    return {
        **arguments,
        "timestep": torch.zeros(1, device=like.device).expand(rows),
        "encoder_hidden_states": like.new_zeros(rows, TOKENS, config["caption_channels"]),
        "encoder_attention_mask": mask,
        "clip_encoder_hidden_states": like.new_zeros(rows, config["clip_embed_dim"]),
        "clip_attention_mask": like.new_zeros(rows, config["num_clip_tokens"]),
    }
