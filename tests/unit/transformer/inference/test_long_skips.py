"""Long skips that wait on the host change no bit of the result."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from easyanimate.transformer.inference import long_skips

Make = Callable[..., Any]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_skips_on_the_host_have_the_same_result(
    trained: Make, inputs: Make, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Tensor] = []

    def to_host(result: Tensor) -> Tensor:
        copied.append(result.clone())  # on a CPU there is no other device to copy from
        result.zero_()
        return copied[-1]

    monkeypatch.setattr(long_skips, "to_host", to_host)
    model = trained().to(dtype)
    arguments = {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs().items()}
    on_device = model(**arguments).sample
    assert not copied
    model.long_skips_on_host = True
    assert torch.equal(model(**arguments).sample, on_device)
    assert len(copied) == len(model.skips)
