"""A pipeline of tiny random weights that react to each condition, and a short way to call it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.pipeline import EasyAnimatePipeline

CHECKPOINT = Path(__file__).parents[2] / "golden" / "pipeline" / "checkpoint"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors of this size are slower on two threads, especially beside other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    """A model folder in the published layout; not to be written to."""
    return CHECKPOINT


@pytest.fixture(scope="module")
def pipe() -> EasyAnimatePipeline:
    """The pipeline of that folder."""
    return EasyAnimatePipeline.from_pretrained(CHECKPOINT)


@pytest.fixture
def latents_of(pipe: EasyAnimatePipeline) -> Callable[..., Tensor]:
    """The latents of a clip of eight frames in two steps; the arguments change some settings."""

    def make(prompt: str = "a red circle", **settings: Any) -> Tensor:
        few = {"height": 32, "width": 48, "num_frames": 8, "num_inference_steps": 2, "generator": 0}
        return pipe(prompt, **{**few, **settings}, output_type="latent").frames

    return make


@pytest.fixture
def start_image() -> Image.Image:
    """Red on the left and blue on the right, at another size than the video."""
    image = Image.new("RGB", (70, 50), "red")
    image.paste("blue", (35, 0, 70, 50))
    return image
