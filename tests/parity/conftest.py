"""Recorded runs of the pipeline, whose random numbers replace drawn ones."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from easyanimate.pipeline import Draws, EasyAnimatePipeline

GOLDEN = Path(__file__).parents[1] / "golden" / "pipeline"
RECORDED_DRAWS = {
    "initial_noise": "initial_noise",
    "init_video": "vae_sample.0.eps",
    "mask": "vae_sample.1.eps",
    "masked_video": "vae_sample.2.eps",
    "smoothing": "vae_sample.3.eps",
}


class RecordedDraws(Draws):
    """The random numbers of a recorded run, each used once, in the order of `prefixes`."""

    def __init__(self, run: Mapping[str, Tensor], prefixes: tuple[str, ...] = ("",)) -> None:
        super().__init__(torch.Generator())
        self.left = {
            name: [run[prefix + key] for prefix in prefixes if prefix + key in run]
            for name, key in RECORDED_DRAWS.items()
        }

    def normal(self, shape: Any, name: str) -> Tensor:
        noise = self.left[name].pop(0)
        assert noise.shape == tuple(shape)
        return noise


@pytest.fixture(scope="session")
def record_draws() -> type[RecordedDraws]:
    """Creates the draws of a recorded run."""
    return RecordedDraws


@pytest.fixture(scope="session")
def recorded_run() -> Callable[[str], tuple[dict[str, Tensor], dict[str, str]]]:
    """Reads the values and settings of a recorded run by its name."""

    def read(name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
        with safe_open(GOLDEN / "runs" / f"{name}.safetensors", "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118

    return read


@pytest.fixture(scope="session")
def recorded_pipe() -> EasyAnimatePipeline:
    """The pipeline of the recorded runs."""
    return EasyAnimatePipeline.from_pretrained(GOLDEN / "checkpoint")


@pytest.fixture(scope="session")
def assert_near() -> Callable[[Tensor, Tensor], None]:
    """Compares tensors with a tolerance of 2e-4 of the largest value, the precision of float32."""

    def check(actual: Tensor, recorded: Tensor) -> None:
        tolerance = 2e-4 * recorded.abs().max().item()
        torch.testing.assert_close(actual.float(), recorded.float(), rtol=0, atol=max(tolerance, 1e-6))

    return check
