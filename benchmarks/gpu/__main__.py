"""`make bench-gpu`: measures the parts of a clip and whole clips; writes JSON and a table.

The parts have an order: when the time is over, the last ones are recorded as not run. Nothing is downloaded.
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.gpu.attention import attention_records
from benchmarks.gpu.clips import clip_records
from benchmarks.gpu.layers import block_records, step_records, vae_records
from benchmarks.gpu.limits import measure_rates
from benchmarks.gpu.networks import random_pipeline
from benchmarks.gpu.plans import PLANS, BenchmarkPlan
from benchmarks.gpu.records import Record, report, table
from benchmarks.gpu.timing import Stopwatch

MINUTES = 9.0


def main(arguments: list[str] | None = None) -> None:
    """Measures a plan on a device; writes the result and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--plan", choices=sorted(PLANS), default="published")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no measurement begins later")
    parser.add_argument("--output", type=Path, default=Path("benchmark-gpu.json"))
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device here; use --plan tiny --device cpu for a trial on the CPU")
    plan, watch = PLANS[options.plan], Stopwatch(device, options.minutes)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reasons why a kernel does not run; the table has them
        rates = measure_rates(watch, plan)
        records = list(all_records(watch, plan))
    values = report(options.plan, rates, records, device)
    options.output.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(table(values))


def all_records(watch: Stopwatch, plan: BenchmarkPlan) -> Iterator[Record]:
    """All parts, the whole clips before the sweep of attention, which has the most measurements."""
    pipe = random_pipeline(plan, watch.device)
    yield from block_records(watch, plan, pipe.transformer)
    yield from step_records(watch, plan, pipe.transformer)
    yield from vae_records(watch, plan, pipe.vae)
    yield from clip_records(watch, plan, pipe)
    yield from attention_records(watch, plan)


if __name__ == "__main__":
    main()
