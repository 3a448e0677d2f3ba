"""Finds NaN and infinity in weights. A network with NaN loads, and may generate frames without an error."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.weights.model_files import model_weight_files
from easyanimate.weights.weights_file import read_weights_file

_CHUNK_VALUES = 1 << 24  # 64 MB in 32 bits
MAX_NAMED_TENSORS = 5  # of one file
_NOT_LOADED = ("loss.",)  # networks of the VAE training


def non_finite_values(folder: Path) -> list[str]:
    """Lists the weights of the model in `folder` with NaN or infinite values. Reads each value.

    Files that cannot be read are skipped; loading reports them.
    """
    return [complaint for path in model_weight_files(folder) for complaint in _in_file(path)]


def _in_file(path: Path) -> list[str]:
    try:
        content = read_weights_file(path)
    except CheckpointError:
        return []
    loaded = {key: tensor for key, tensor in content.items() if not key.startswith(_NOT_LOADED)}
    problems = [f"{path}: {text}" for key, tensor in loaded.items() for text in _in_tensor(key, tensor)]
    if len(problems) <= MAX_NAMED_TENSORS:
        return problems
    more = f"{path}: {len(problems) - MAX_NAMED_TENSORS} more places with NaN or infinity"
    return [*problems[:MAX_NAMED_TENSORS], more]


def _in_tensor(key: str, tensor: Tensor) -> Iterator[str]:
    """A sentence for each kind of non-finite value."""
    if not tensor.is_floating_point():
        return
    num_nan = num_infinite = 0
    for piece in tensor.reshape(-1).split(_CHUNK_VALUES):
        values = piece.float()  # isnan does not support 8-bit types
        num_nan += int(torch.isnan(values).sum())
        num_infinite += int(torch.isinf(values).sum())
    for count, kind in ((num_nan, "NaN"), (num_infinite, "infinite")):
        if count:
            yield f"{count} {'value' if count == 1 else 'values'} of {key} {'is' if count == 1 else 'are'} {kind}"
