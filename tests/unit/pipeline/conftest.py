"""A pipeline of tiny random weights that react to each condition, and a short way to call it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from easyanimate.pipeline import EasyAnimatePipeline
from tests.one_thread import one_torch_thread

GOLDEN = Path(__file__).parents[2] / "golden" / "pipeline" / "checkpoint"
BLOCKS = ("0", "1", "26", "27")  # four of the 28 blocks: a step takes a fraction of the time
SKIPS = {"0": [1, 2], "12": [0, 3]}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors of this size are slower on two threads, especially beside other tests."""
    with one_torch_thread():
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder in the published layout, with four blocks and two skips; not to be written to."""
    folder = tmp_path_factory.mktemp("models") / "checkpoint"
    shutil.copytree(GOLDEN, folder)
    _drop_blocks(folder / "transformer")
    return folder


def _drop_blocks(folder: Path) -> None:
    """Keeps some blocks and skips of the transformer in `folder`."""
    config = json.loads((folder / "config.json").read_text())
    shorter = config | {"num_layers": len(BLOCKS), "uvit_skip_pairs": list(SKIPS.values())}
    (folder / "config.json").write_text(json.dumps(shorter, indent=2, sort_keys=True) + "\n")
    numbers = {
        "transformer_blocks": {old: str(new) for new, old in enumerate(BLOCKS)},
        "long_connect_fc": {old: str(new) for new, old in enumerate(SKIPS)},
    }
    file, kept = folder / "diffusion_pytorch_model.safetensors", {}
    for name, weight in load_file(file).items():
        part, _, rest = name.partition(".")
        if part in numbers:
            old, _, rest = rest.partition(".")
            if old not in numbers[part]:
                continue
            name = f"{part}.{numbers[part][old]}.{rest}"
        kept[name] = weight
    save_file(kept, file, {"format": "pt"})


@pytest.fixture(scope="module")
def pipe(checkpoint: Path) -> EasyAnimatePipeline:
    """The pipeline of that folder."""
    return EasyAnimatePipeline.from_pretrained(checkpoint)


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
