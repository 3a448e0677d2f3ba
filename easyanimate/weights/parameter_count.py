"""How many values the weights of a model folder have, from the heads of its files: nothing is loaded, nor is torch."""

import json
from math import prod
from pathlib import Path

from easyanimate.weights.model_files import model_weight_files

MAX_HEADER_BYTES = 100_000_000  # bytes; what safetensors itself allows
_NOT_LOADED = ("__metadata__", "loss.", "text_model.", "text_projection.", "logit_scale")
_TABLE = ".pos_encoder.pe"  # tables of frame positions, which are computed
MIN_PARAMETER_BYTES = 2  # bytes: a pickle does not tell without being opened, so it counts as 16 bit


def count_parameters(folder: Path) -> int:
    """Values in all networks of the model in `folder`, in the files that a loader reads.

    A file that cannot be read counts by its size. What a published file holds besides the network is left out.
    """
    return sum(map(_in_safetensors, model_weight_files(folder)))


def _in_safetensors(path: Path) -> int:
    if path.suffix != ".safetensors":
        return path.stat().st_size // MIN_PARAMETER_BYTES
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(min(size, MAX_HEADER_BYTES)))
        return sum(prod(entry["shape"]) for name, entry in head.items() if _is_loaded(name))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return path.stat().st_size // MIN_PARAMETER_BYTES


def _is_loaded(name: str) -> bool:
    return not name.startswith(_NOT_LOADED) and not name.endswith(_TABLE)
