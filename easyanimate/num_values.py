"""How many values the weights of a model folder have, from the heads of its files: nothing is loaded, nor is torch."""

import json
from math import prod
from pathlib import Path

LARGEST_HEAD = 100_000_000  # bytes; what safetensors itself allows
SMALLEST_VALUE = 2  # bytes: a pickle does not tell without being opened, so it counts as 16 bit


def num_values(folder: Path) -> int:
    """Values in all networks of the model in `folder`; a file that cannot be read counts by its size.

    Where a network lies there twice, as safetensors and as a pickle, the first counts, as it does when it is loaded.
    """
    total = 0
    for network in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = list(network.glob("*.safetensors"))
        total += sum(map(_in_safetensors, files or network.glob("*.bin")))
    return total


def _in_safetensors(path: Path) -> int:
    if path.suffix != ".safetensors":
        return path.stat().st_size // SMALLEST_VALUE
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(min(size, LARGEST_HEAD)))
        return sum(prod(entry["shape"]) for name, entry in head.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return path.stat().st_size // SMALLEST_VALUE
