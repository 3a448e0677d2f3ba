"""Weights in trainers' checkpoints are read; files with other content are refused by their content."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.weights.file_content import check_content, one_line
from easyanimate.weights.weights_file import read_weights_file

WEIGHTS = {"a.weight": torch.ones(2, 2), "a.bias": torch.zeros(2)}
OTHERS = {"a.weight": torch.zeros(2, 2)}
OPTIMISER = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(2, 2)}}, "param_groups": [{"lr": 1e-4}]}
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def saved(folder: Path, content: object) -> Path:
    path = folder / "pytorch_model.bin"
    torch.save(content, path)
    return path


def same(actual: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return actual.keys() == wanted.keys() and all(torch.equal(actual[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"state_dict": WEIGHTS},
        {"state_dict": WEIGHTS, "epoch": 3, "global_step": 4400, "pytorch-lightning_version": "2.1"},
        {"state_dict": WEIGHTS, "optimizer_states": [OPTIMISER], "lr_schedulers": [], "hyper_parameters": {"lr": 0.1}},
        {"state_dict": WEIGHTS, "ema": OTHERS},
        {"ema": WEIGHTS},
        {"module": WEIGHTS, "global_steps": 3},
        {"model": WEIGHTS, "optimizer": OPTIMISER, "step": torch.tensor(5), "scaler": {"scale": 2.0}},
        {"ema_state_dict": WEIGHTS, "decay": {"now": torch.tensor(0.99)}},
    ],
    ids=lambda content: "+".join(content),
)
def test_of_a_trainers_checkpoint_the_weights_are_read(tmp_path: Path, content: dict[str, object]) -> None:
    assert same(read_weights_file(saved(tmp_path, content)), WEIGHTS)


def test_a_checkpoint_with_several_sets_of_weights_is_refused_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="several sets of weights: ema, model; save the one"):
        read_weights_file(saved(tmp_path, {"ema": WEIGHTS, "model": WEIGHTS, "step": 3}))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"epoch": 3}, "'epoch' is not a tensor .*int"),
        ({"state_dict": {"a": torch.ones(2), "b": "text"}}, "'b' is not a tensor .*str"),
        (WEIGHTS | {"more": OTHERS}, "'more' is not a tensor .*dict"),
        ({"outer": {"inner": WEIGHTS}}, "'outer' is not a tensor .*dict"),
    ],
)
def test_what_is_not_weights_is_named_with_its_type(tmp_path: Path, content: object, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        read_weights_file(saved(tmp_path, content))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("other", [Namespace(lr=1), Path("a"), torch.nn.Linear(1, 1)], ids=["args", "path", "module"])
def test_an_object_of_another_class_is_named_without_advice_to_run_it(
    tmp_path: Path, other: object, zipped: bool
) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"state_dict": WEIGHTS, "args": other}, path, _use_new_zipfile_serialization=zipped)

    with pytest.raises(CheckpointError, match="more than tensors: it needs ") as caught:
        read_weights_file(path)
    message = str(caught.value)
    assert message.isprintable()
    assert "weights_only" not in message
    assert "safe_globals" not in message


@pytest.mark.parametrize("content", [b"hello", b"Entry not found", b"\x80\x02cfoo\nbar\n", b"PK\x03\x04cut"])
def test_a_damaged_pickle_is_refused_on_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin") as caught:
        read_weights_file(path)
    assert str(caught.value).isprintable()
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (LFS_POINTER, "is a git-LFS pointer, not the file; run git lfs pull .* or `easyanimate models pull`"),
        (b"", "it is empty; download it again"),
        (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "is a page of HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a page of HTML or XML"),
    ],
    ids=["pointer", "empty", "html", "xml"],
)
def test_other_content_than_weights_is_named(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=complaint):
        read_weights_file(tmp_path / name)


def test_a_safetensors_header_that_begins_like_html_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes((60).to_bytes(8, "little") + b"{}" + b" " * 58)
    check_content(tmp_path / "a.safetensors")
    assert read_weights_file(tmp_path / "a.safetensors") == {}


@pytest.mark.parametrize("length", [299, 300])
def test_a_short_reason_stays_whole(length: int) -> None:
    assert one_line("x" * length) == "x" * length


def test_a_long_reason_is_cut_after_300_characters() -> None:
    assert one_line("x" * 301) == "x" * 300 + "..."
