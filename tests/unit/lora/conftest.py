"""A small transformer and T5 in which every weight matters, and LoRAs for them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel

from easyanimate.lora import LoraFile, LowRank, flat_name
from easyanimate.transformer import EasyAnimateTransformer3DModel
from tests.small_transformer import small_config


@pytest.fixture
def transformer() -> EasyAnimateTransformer3DModel:
    torch.manual_seed(0)
    model = EasyAnimateTransformer3DModel(**small_config(num_layers=2, uvit_skip_pairs=[[0, 1]])).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


@pytest.fixture
def one_process() -> Iterator[None]:
    """A process group of one process, which DistributedDataParallel requires."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def with_compiled_blocks(model: Any) -> Any:
    for i, block in enumerate(model.transformer_blocks):
        model.transformer_blocks[i] = torch.compile(block, backend="eager")
    return model


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "blocks compiled": with_compiled_blocks,
    "parallel": nn.parallel.DistributedDataParallel,
    "compiled and parallel": lambda model: nn.parallel.DistributedDataParallel(torch.compile(model, backend="eager")),
}


@pytest.fixture(params=WRAPPERS)
def wrap(request: pytest.FixtureRequest, one_process: None) -> Callable[[Any], Any]:
    """Puts a model into one of the wrappers that add a prefix to its names."""
    return WRAPPERS[request.param]


@pytest.fixture
def text_encoder() -> T5EncoderModel:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu"
    )
    return T5EncoderModel(config).eval()


@pytest.fixture
def see() -> Callable[[nn.Module], Tensor]:
    """The output of a transformer for fixed inputs."""
    torch.manual_seed(1)
    inputs = {
        "hidden_states": torch.randn(2, 4, 2, 4, 6),
        "inpaint_latents": torch.randn(2, 8, 2, 4, 6),
        "timestep": torch.tensor([999, 437]),
        "encoder_hidden_states": torch.randn(2, 6, 20),
        "clip_encoder_hidden_states": torch.randn(2, 24),
        "clip_attention_mask": torch.ones(2, 3),
    }

    @torch.no_grad()
    def run(model: Any) -> Tensor:
        kind = next(model.parameters()).dtype  # a wrapper has no `dtype`
        return model(**{k: v.to(kind) if v.is_floating_point() else v for k, v in inputs.items()}).sample

    return run


def update_of(layer: Any, rank: int, alpha: float | None) -> LowRank:
    return LowRank(torch.randn(rank, layer.in_features) * 0.3, torch.randn(layer.out_features, rank) * 0.3, alpha)


@pytest.fixture
def lora_for() -> Callable[..., LoraFile]:
    """Creates a LoRA of rank 2 for the linear layers of `model` whose path begins with one of `only` (default: all)."""

    def make(
        model: nn.Module, only: Iterable[str] = ("",), *, seed: int = 2, alpha: float | None = 1.0, name: str = "a"
    ) -> LoraFile:
        torch.manual_seed(seed)
        updates = {
            flat_name(path): update_of(layer, 2, alpha)
            for path, layer in model.named_modules()
            if isinstance(layer, nn.Linear) and path.startswith(tuple(only))
        }
        is_text = isinstance(model, T5EncoderModel)
        return LoraFile(name, {} if is_text else updates, updates if is_text else {})

    return make
