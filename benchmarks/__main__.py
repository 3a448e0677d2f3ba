"""`python -m benchmarks [PART…]`: runs all or some parts; writes a Markdown table and the name of the machine."""

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
    """Runs the parts and writes the table to stdout."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compares implementations.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; default: all")
    selected = parser.parse_args().parts or list(PARTS)
    if unknown := [name for name in selected if name not in PARTS]:
        parser.error(f"unknown part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    print(f"{_machine()}\n")
    print("| what | first | second | second / first |\n|---|---|---|---|")
    for name in selected:
        for row in PARTS[name]():
            print(f"| {row.title} | {row.first} | {row.second} | {row.ratio:.2f} |", flush=True)


def _machine() -> str:
    return ", ".join(_facts())


def _facts() -> Iterator[str]:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    yield names[0].partition(": ")[2] if names else platform.machine()
    yield f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    yield f"Python {platform.python_version()}, torch {torch.__version__}"


if __name__ == "__main__":
    main()
