"""Checkpoints of a training are complete or do not exist."""

import pytest
import torch

from easyanimate.training.errors import TrainingError
from easyanimate.training.run import checkpoints

PARTS = {"weights": {"a": torch.arange(6.0).reshape(2, 3)}}


def test_a_saved_checkpoint_is_loaded(tmp_path):
    saved = checkpoints.save_checkpoint(tmp_path, 7, PARTS, {"fingerprint": "x"}, keep=2)
    parts, facts = checkpoints.load_checkpoint(saved)
    assert torch.equal(parts["weights"]["a"], PARTS["weights"]["a"])
    assert facts == {"step": 7, "fingerprint": "x"}


def test_old_checkpoints_are_deleted(tmp_path):
    for step in (1, 2, 10):
        checkpoints.save_checkpoint(tmp_path, step, PARTS, {}, keep=2)
    assert checkpoints.newest_checkpoint(tmp_path) == tmp_path / "step-00000010"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000010"]


def test_a_full_disk_keeps_earlier_checkpoints(tmp_path, monkeypatch):
    checkpoints.save_checkpoint(tmp_path, 1, PARTS, {}, keep=2)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(TrainingError, match=r"No space left on device.*the ones before it are whole"):
        checkpoints.save_checkpoint(tmp_path, 2, PARTS, {}, keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert checkpoints.load_checkpoint(tmp_path / "step-00000001")[1]["step"] == 1


def test_a_damaged_checkpoint_is_reported(tmp_path):
    saved = checkpoints.save_checkpoint(tmp_path, 1, PARTS, {}, keep=2)
    (saved / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="step-00000001 is damaged"):
        checkpoints.load_checkpoint(saved)


def test_weights_of_another_network_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="of another network: 2 names or shapes differ"):
        checkpoints.restore_tensors([("b", torch.zeros(1))], PARTS["weights"], "there")


@pytest.mark.parametrize("steps", [1, 3])
def test_a_restored_optimizer_makes_the_same_steps(steps):
    def train(optimizer, parameter, times):
        for i in range(times):
            parameter.grad = torch.sin(torch.arange(4.0) + i)
            optimizer.step()

    whole, part = (torch.nn.Parameter(torch.ones(4)) for _ in range(2))
    train(torch.optim.AdamW([whole]), whole, 0)
    first = torch.optim.AdamW([part])
    train(first, part, steps)
    restored = torch.nn.Parameter(part.detach().clone())
    second = torch.optim.AdamW([restored])
    state = {name: value.clone() for name, value in checkpoints.optimizer_state(first).items()}
    checkpoints.restore_optimizer(second, state)
    train(first, part, 2)
    train(second, restored, 2)
    assert torch.equal(part, restored)
