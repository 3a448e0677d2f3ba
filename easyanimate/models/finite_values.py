"""Values in a model's weights that are no numbers. A network with NaN loads, and may make frames without an error."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.weights.model_files import model_weight_files
from easyanimate.weights.weights_file import read_weights_file

_AT_ONCE = 1 << 24  # values that are looked at together: 64 MB in 32 bit
_NAMED_AT_MOST = 5  # tensors of one file
_NOT_LOADED = ("loss.",)  # networks of the VAE's trainer


def non_finite_values(folder: Path) -> list[str]:
    """Where the weights of the model in `folder` are NaN or infinite. Reads every value.

    Files that cannot be read are left out; loading names them.
    """
    return [complaint for path in model_weight_files(folder) for complaint in _in_file(path)]


def _in_file(path: Path) -> list[str]:
    try:
        content = read_weights_file(path)
    except CheckpointError:
        return []
    loaded = {key: tensor for key, tensor in content.items() if not key.startswith(_NOT_LOADED)}
    problems = [f"{path}: {text}" for key, tensor in loaded.items() for text in _in_tensor(key, tensor)]
    if len(problems) <= _NAMED_AT_MOST:
        return problems
    more = f"{path}: {len(problems) - _NAMED_AT_MOST} more places with NaN or infinity"
    return [*problems[:_NAMED_AT_MOST], more]


def _in_tensor(key: str, tensor: Tensor) -> Iterator[str]:
    """A sentence for each kind of value that is no number."""
    if not tensor.is_floating_point():
        return
    num_nan = num_infinite = 0
    for piece in tensor.reshape(-1).split(_AT_ONCE):
        values = piece.float()  # 8-bit types cannot be asked
        num_nan += int(torch.isnan(values).sum())
        num_infinite += int(torch.isinf(values).sum())
    for count, kind in ((num_nan, "NaN"), (num_infinite, "infinite")):
        if count:
            yield f"{count} {'value' if count == 1 else 'values'} of {key} {'is' if count == 1 else 'are'} {kind}"
