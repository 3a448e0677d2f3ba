"""A common prefix between the names in a file and those of a model is detected and named."""

import pytest
import torch
from torch import nn

from easyanimate.errors import CheckpointError
from easyanimate.weights.checkpoint import assign_strictly
from easyanimate.weights.key_prefix import describe_prefix

NAMES = {"proj.weight", "proj.bias", "blocks.0.proj.weight"}


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.diffusion_model.", "first_stage_model.", "module._orig_mod.", "x."]
)
def test_a_prefix_before_every_name_is_all_that_differs(prefix: str) -> None:
    assert f"only the prefix '{prefix}' differs" in describe_prefix(NAMES, {prefix + name for name in NAMES})


def test_names_beside_those_with_the_prefix_are_reported() -> None:
    unexpected = {f"first_stage_model.{name}" for name in NAMES} | {"cond_stage_model.weight"}
    assert "the missing names exist with the prefix 'first_stage_model.'" in describe_prefix(NAMES, unexpected)


def test_a_prefix_that_the_file_lacks_is_reported() -> None:
    assert "lack the prefix 'vae.'" in describe_prefix({f"vae.{name}" for name in NAMES}, NAMES)


def test_layers_that_are_compiled_one_by_one_are_reported() -> None:
    compiled = {"blocks.0._orig_mod.a", "blocks.1._orig_mod.a"}
    assert "only the part '_orig_mod.' differs" in describe_prefix({"blocks.0.a", "blocks.1.a"}, compiled)


@pytest.mark.parametrize(
    ("missing", "unexpected"),
    [(set(), {"a.b"}), ({"b"}, set()), (NAMES, {"module.proj.weight"}), ({"weight"}, {"overweight"})],
)
def test_names_without_a_common_prefix_are_not_explained(missing: set[str], unexpected: set[str]) -> None:
    assert describe_prefix(missing, unexpected) == ""


def test_the_refusal_of_a_checkpoint_names_the_prefix() -> None:
    weights = {f"module.{name}": tensor for name, tensor in nn.Linear(2, 2).state_dict().items()}
    with pytest.raises(CheckpointError, match=r"2 missing: .*; only the prefix 'module\.' differs"):
        assign_strictly(nn.Linear(2, 2), weights, "here")


def test_a_prefix_does_not_hide_wrong_shapes() -> None:
    weights = {"module.weight": torch.zeros(2, 2), "bias": torch.zeros(3)}
    with pytest.raises(CheckpointError, match="1 of the wrong shape"):
        assign_strictly(nn.Linear(2, 2), weights, "here")
