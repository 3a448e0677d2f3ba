"""All that flows into one window of a long video or a film, and its digest."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from easyanimate.pipeline.inputs.generation import Generation


@dataclass(frozen=True, eq=False)
class WindowInputs:
    """The inputs of one window.

    `request` is that of the window alone; its `context_frames` are the frames that it continues. The first `kept`
    frames are used, and the next window shares the last `shared` of them. `generator_state` is the state of the CPU
    generator at its start. `picture` is that of a still scene (`still_scene`), which its frames keep. `tail` are the
    last frames of the window before, into which it fades.
    """

    request: Generation
    kept: int
    shared: int
    generator_state: Tensor
    picture: Tensor | None = None
    tail: Tensor | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of all fields. On the same model and device, windows with equal inputs have equal frames."""
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    def _parts(self) -> Iterator[bytes]:
        for field in fields(self.request):
            yield field.name.encode()
            yield from _content(getattr(self.request, field.name))
        yield from _content((self.kept, self.shared))
        yield from _content(self.generator_state)
        yield from _content(self.picture)
        yield from _content(self.tail)


def _content(value: Any) -> Iterator[bytes]:
    """The content of a value of a request, with its type and its shape."""
    if isinstance(value, Image.Image):
        yield f"image {value.mode} {value.size}".encode()
        yield value.tobytes()
    elif isinstance(value, Tensor | np.ndarray):
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        yield f"array {array.dtype} {array.shape}".encode()
        yield array.tobytes()
    elif isinstance(value, list | tuple):
        yield f"list {len(value)}".encode()
        for each in value:
            yield from _content(each)
    else:
        yield f"{type(value).__name__} {value!r}".encode()
