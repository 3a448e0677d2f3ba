"""`python -m benchmarks`: everything, as a Markdown table with the machine named."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import checkpoints, model, queue, submit, webhooks


def main() -> None:
    """Measure, then write the table to stdout."""
    print(f"{_machine()}\n")
    print("| what | first | second | second / first |\n|---|---|---|---|")
    for line in (*submit.rows(), *queue.rows(), *webhooks.rows(), *model.rows(), *checkpoints.rows()):
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
