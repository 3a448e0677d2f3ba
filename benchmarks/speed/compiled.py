"""`python -m benchmarks.speed.compiled`: blocks of the mid-size model with and without a compiler, on a CPU."""

import argparse
import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.counts.production import Clip
from benchmarks.gpu.networks import random_inputs, random_transformer
from benchmarks.speed.mid_size import WHOLE, mid_size_plan
from benchmarks.speed.paired import compare
from easyanimate.transformer.inference.compiled_blocks import (
    compile_blocks,
    compiled_blocks_of,
    set_compiled_blocks,
)
from easyanimate.transformer.inference.run_cache import RunCache

SHORT = Clip(64, 64, 16)  # float64 takes its time
CPU = torch.device("cpu")


class TwoWays:
    """A model whose blocks are compiled, and its calls without the compiler."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.model: Any = random_transformer(replace(mid_size_plan(), dtype=dtype), CPU)
        self.warm_up_s = compile_blocks(self.model)
        self._compiled = compiled_blocks_of(self.model)

    def call(self, inputs: dict[str, Any], cache: RunCache, *, compiled: bool) -> Tensor:
        """The result of one call; each way has its own cache."""
        set_compiled_blocks(self.model, self._compiled if compiled else None)
        sample: Tensor = self.model(**inputs, cache=cache).sample
        return sample

    def errors(self, clip: Clip) -> tuple[float, float]:
        """The relative errors against float64 of `clip`, with and without the compiler."""
        inputs = random_inputs(self.model, clip, 2, CPU)
        set_compiled_blocks(self.model, None)
        exact = copy.deepcopy(self.model).double()(**_doubled(inputs), cache=RunCache()).sample
        with_compiler, without = (self.call(inputs, RunCache(), compiled=compiled) for compiled in (True, False))
        return tuple(float((result - exact).norm() / exact.norm()) for result in (with_compiler, without))  # type: ignore[return-value]


def _doubled(inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
    }


@torch.no_grad()
def main() -> None:
    """Prints the seconds of the warm-up, the errors against float64, and the CPU time of a step."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.compiled", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    for dtype in (torch.float32, torch.bfloat16):
        ways = TwoWays(dtype)
        print(f"{dtype}: warm-up {ways.warm_up_s:.0f} s", flush=True)
        print("error against float64: compiled {:.3g}, plain {:.3g}".format(*ways.errors(SHORT)), flush=True)
        if dtype == torch.float32:
            print(_step(ways, rounds), flush=True)


def _step(ways: TwoWays, rounds: int) -> str:
    inputs, caches = random_inputs(ways.model, WHOLE.clip, 2, CPU), (RunCache(), RunCache())
    pair = compare(
        lambda: ways.call(inputs, caches[0], compiled=False),
        lambda: ways.call(inputs, caches[1], compiled=True),
        rounds,
    )
    return f"two rows of a step of {WHOLE.clip}: {pair.ratio:.2f} of the CPU time; {pair.describe()}"


if __name__ == "__main__":
    main()
