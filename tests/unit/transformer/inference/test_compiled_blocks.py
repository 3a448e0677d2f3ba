"""Blocks of the transformer that are compiled when a model is loaded. The back end runs their graphs as they are."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from easyanimate.errors import InvalidInput
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.attention import attend
from easyanimate.transformer.inference import compiled_blocks
from easyanimate.transformer.inference.attention_operator import table_of, tokens_attention
from easyanimate.transformer.inference.compiled_blocks import (
    CompiledBlocks,
    compile_blocks,
    compiled_blocks_of,
    set_compiled_blocks,
)
from easyanimate.transformer.inference.kernels import ChosenKernels
from easyanimate.transformer.inference.run_cache import RunCache
from tests.small_transformer import small_config

pytestmark = pytest.mark.xdist_group("torch.compile")  # one process imports its compiler

BLOCKS_OF_BOTH_KINDS = {"num_layers": 2, "uvit_skip_pairs": [[0, 1]]}
CLIPS = [(2, 4, 8, 12), (1, 4, 8, 12), (2, 3, 6, 10), (1, 16, 2, 4)]  # rows, frames, rows and columns of latents


def new_model(**changes: Any) -> Any:
    """A model in which each weight has an effect."""
    torch.manual_seed(0)
    model = EasyAnimateTransformer3DModel(**small_config(**(changes or BLOCKS_OF_BOTH_KINDS))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.15)
    return model


@pytest.fixture(scope="module")
def compiled() -> CompiledBlocks:
    """The compiled computation of such models."""
    model = new_model()
    assert compile_blocks(model, backend="eager") > 0
    found = compiled_blocks_of(model)
    assert found is not None
    return found


@pytest.fixture
def model(compiled: CompiledBlocks) -> Iterator[Any]:
    """A model with compiled blocks that refuses to compile more."""
    model = new_model()
    set_compiled_blocks(model, compiled)
    compiled.stance = "fail_on_recompile"
    yield model
    compiled.stance = "eager_on_recompile"


@torch.no_grad()
def see(model: Any, rows: int, frames: int, height: int, width: int, first: float = 0.0) -> Tensor:
    """The result for random latents, which begin with `first` plus a random number."""
    arguments = random_arguments(rows, frames, height, width)
    arguments["hidden_states"][0, 0, 0, 0, 0] += first
    return model(**arguments, cache=RunCache()).sample


def random_arguments(rows: int, frames: int, height: int, width: int) -> dict[str, Tensor]:
    """The arguments of a call; the text of the first row is shorter."""
    torch.manual_seed(1)
    mask = torch.ones(rows, 5)
    mask[: rows - 1, 2:] = 0
    return {
        "hidden_states": torch.randn(rows, 4, frames, height, width),
        "inpaint_latents": torch.randn(rows, 8, frames, height, width),
        "timestep": torch.tensor([437.5]).expand(rows),
        "encoder_hidden_states": torch.randn(rows, 5, 20),
        "encoder_attention_mask": mask,
        "clip_encoder_hidden_states": torch.randn(rows, 24),
        "clip_attention_mask": torch.zeros(rows, 3),
    }


def see_plain(model: Any, *clip: int) -> Tensor:
    """The same without a compiler."""
    compiled = compiled_blocks_of(model)
    set_compiled_blocks(model, None)
    try:
        return see(model, *clip)
    finally:
        set_compiled_blocks(model, compiled)


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_clips_of_each_size_use_the_graphs_of_the_warm_up(model: Any, clip: tuple[int, ...]) -> None:
    result, expected = see(model, *clip), see_plain(model, *clip)
    assert not torch.equal(result, expected)  # the graphs add in another order
    assert (result - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.slow
@torch.no_grad()
def test_bfloat16_has_at_most_1_05_times_the_error_of_the_plain_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_blocks, "WARM_UP_ROWS", (2,))
    model = new_model(num_layers=1, enable_uvit=False).bfloat16()
    arguments = random_arguments(*CLIPS[0])
    timestep = {"timestep": arguments.pop("timestep")}
    rounded = {name: value.bfloat16() for name, value in arguments.items()}
    doubled = {name: value.double() for name, value in rounded.items()} | timestep
    arguments = rounded | timestep
    exact = copy.deepcopy(model).double()(**doubled).sample
    with torch.enable_grad():
        plain_error = model(**arguments).sample.detach() - exact  # the modules' own forward
    compile_blocks(model, backend="eager")
    found = compiled_blocks_of(model)
    assert found is not None
    found.stance = "fail_on_recompile"
    error = model(**arguments, cache=RunCache()).sample - exact
    assert error.norm() <= 1.05 * plain_error.norm()
    towards = (error * exact.sign()).flatten()
    assert towards.mean().abs() <= 0.25 * towards.std()


@pytest.mark.slow
def test_other_structures_are_computed_without_a_compiler(model: Any, compiled: CompiledBlocks) -> None:
    image = (2, 1, 4, 4)
    with pytest.raises(RuntimeError, match="fail_on_recompile"):
        see(model, *image)
    compiled.stance = "eager_on_recompile"
    assert torch.equal(see(model, *image), see_plain(model, *image))
    add_hooked_layers(model)
    assert torch.equal(see(model, *CLIPS[0]), see_plain(model, *CLIPS[0]))


def add_hooked_layers(model: Any) -> None:
    """Replaces a layer of each block by one of another class, as a LoRA does."""
    for block in model.transformer_blocks:
        layer = block.ff.net[2]
        block.ff.net[2] = nn.Sequential(layer)


@pytest.mark.slow
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_special_value_stays_special_in_its_row(model: Any, value: float) -> None:
    result = see(model, *CLIPS[0], first=value)
    assert result[0].isnan().all()
    assert result[1].isfinite().all()


def test_without_a_compiler_the_blocks_compute_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no working C++ compiler\nand more lines")

    monkeypatch.setattr(compiled_blocks.torch, "compile", lambda *_, **__: broken)
    model = new_model()
    with pytest.raises(InvalidInput, match=r"\(RuntimeError: no working C\+\+ compiler\); install a C\+\+ compiler"):
        compile_blocks(model)
    assert compiled_blocks_of(model) is None


@pytest.mark.parametrize("kernels", [None, ChosenKernels({"self-8": "flash+80"})], ids=["plain", "padded"])
def test_the_operator_of_a_graph_is_attention_with_the_kernels_of_its_table(kernels: ChosenKernels | None) -> None:
    torch.manual_seed(2)
    arguments = (*(torch.randn(2, 3, 8, 16) for _ in range(3)), None)
    expected = attend(*arguments, kernels)
    assert torch.equal(tokens_attention(*arguments, table_of(kernels)).transpose(1, 2), expected)
    torch.library.opcheck(
        tokens_attention, (*arguments, table_of(kernels)), test_utils=("test_schema", "test_faketensor")
    )
