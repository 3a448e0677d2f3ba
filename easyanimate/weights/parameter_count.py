"""Counts the parameters of a model folder from the headers of its files, without loading weights or torch."""

import json
from math import prod
from pathlib import Path

from easyanimate.weights.model_files import model_weight_files

MAX_HEADER_BYTES = 100_000_000  # the limit of safetensors itself
_NOT_LOADED = ("__metadata__", "loss.", "text_model.", "text_projection.", "logit_scale")
_TABLE = ".pos_encoder.pe"  # tables of frame positions, which the model computes
MIN_PARAMETER_BYTES = 2  # the header of a pickle is not read, so its values count as 16 bits


def count_parameters(folder: Path) -> int:
    """The number of parameters of all networks of the model in `folder`, in the files that a loader reads.

    A file that cannot be read is estimated by its size. Tensors that a published file holds besides the network are not
    counted.
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
