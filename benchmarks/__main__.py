"""`python -m benchmarks [PART…]`: everything, or some parts of it, as a Markdown table with the machine named."""

import argparse
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks import checkpoints, model, queue, requests, submit, webhooks
from benchmarks.side_by_side import Row

PARTS: dict[str, Callable[[], Sequence[Row]]] = {
    "requests": requests.rows,
    "submit": submit.rows,
    "queue": queue.rows,
    "webhooks": webhooks.rows,
    "model": model.rows,
    "checkpoints": checkpoints.rows,
}


def main() -> None:
    """Measure, then write the table to stdout."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Two ways of doing the same, in turns.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all if there is none")
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(f"{_machine()}\n")
    print("| what | first | second | second / first |\n|---|---|---|---|")
    for name in wanted:
        for line in PARTS[name]():
            print(f"| {line.what} | {line.first} | {line.second} | {line.ratio:.2f} |", flush=True)


def _machine() -> str:
    return ", ".join(_facts())


def _facts() -> Iterator[str]:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    yield names[0].partition(": ")[2] if names else platform.machine()
    yield f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    yield f"Python {platform.python_version()}, torch {torch.__version__}"


if __name__ == "__main__":
    main()
