"""Results of the encoders that the next requests need again, by content and bounded by bytes."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from threading import Lock
from typing import Any

from torch import Tensor, nn

MAX_BYTES = 64 * 2**20  # the embeddings of some sixty prompts of the published model
Tensors = tuple[Tensor, ...]


class EncoderCache:
    """The last results of some encoders, up to `max_bytes`; the least recently used ones are dropped first.

    The weights of `models` must not be written. A model with other parameters than at the start, such as those of a
    LoRA, is computed each time. Threads may share a cache.
    """

    def __init__(self, models: Mapping[str, nn.Module], max_bytes: int = MAX_BYTES) -> None:
        self._models = dict(models)
        self._parameters = {name: _parameters(model) for name, model in models.items()}
        self._max_bytes = max_bytes
        self._results: OrderedDict[Hashable, Tensors] = OrderedDict()
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """The bytes of all results."""
        return sum(_nbytes(result) for result in self._results.values())

    def get_or_compute(self, model: str, content: Hashable, compute: Callable[[], Tensors]) -> Tensors:
        """The result of the encoder `model` for `content`, which identifies all its inputs and settings."""
        if self._parameters[model] != _parameters(self._models[model]):
            return compute()
        key = (model, content)
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        result = compute()
        with self._lock:
            self._results[key] = result
            while self.nbytes > self._max_bytes:
                self._results.popitem(last=False)
        return result


def content_sha256(*tensors: Tensor) -> str:
    """The SHA-256 of the bytes, shapes and dtypes of `tensors`."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def _nbytes(tensors: Tensors) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


def _parameters(model: Any) -> tuple[tuple[int, Any], ...]:
    """The identity and dtype of each parameter; moving a model between devices does not change them."""
    return tuple((id(parameter), parameter.dtype) for parameter in model.parameters())
