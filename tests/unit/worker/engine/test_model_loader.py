"""The memory of models, estimated from their files and measured after a load; evicted models free theirs."""

import weakref
from pathlib import Path

import pytest
import torch

from easyanimate.errors import CheckpointError
from worker.engine import model_loader
from worker.engine.model_cache import ModelCache
from worker.engine.model_loader import ModelLoader
from worker.models.host_memory import host_memory_bytes
from worker.models.memory_budget import MemoryBudget
from worker.protocol.messages import LoadModel, Ready

MODEL = "easyanimate-v3-tiny"
GIB = 1 << 30


@pytest.fixture
def command(models_dir: Path) -> LoadModel:
    return LoadModel(models_dir / MODEL, "cpu", "float32", "json")


def test_the_estimate_from_the_files_equals_the_size_of_the_loaded_weights(command: LoadModel) -> None:
    loader = ModelLoader()
    generator, held = loader.load(command)
    assert loader.estimate(command).weights_bytes == pytest.approx(held.weights_bytes, rel=0.05)
    assert (generator.card.name, generator.memory, held.shares) == (MODEL, "normal", True)


def test_an_evicted_model_is_freed(command: LoadModel, models_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.symlink_to(models_dir / MODEL)
    models = ModelCache(ModelLoader())
    assert isinstance(models.load(command), Ready)
    weights = weakref.ref(models.use(MODEL).pipe.transformer)  # type: ignore[attr-defined]
    assert weights() is not None
    models.load(LoadModel(other, "cpu", "float32", "json", alone=True))
    assert weights() is None


def test_without_a_setting_the_weights_may_use_half_of_the_memory(command: LoadModel) -> None:
    assert ModelLoader().room_bytes(command) == host_memory_bytes() // 2


class TestOnAGpu:
    """A GPU of 40 GiB in the estimates; nothing is loaded on it."""

    @pytest.fixture
    def free(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        free = [40 * GIB]
        monkeypatch.setattr(model_loader, "choose_device", lambda _: torch.device("cuda"))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free[0], 80 * GIB))
        return free

    def test_the_free_memory_is_read_once(self, command: LoadModel, free: list[int]) -> None:
        loader = ModelLoader()
        assert loader.room_bytes(command) == 40 * GIB
        free[0] = GIB
        assert loader.room_bytes(command) == 40 * GIB

    def test_a_small_model_shares_the_gpu_and_needs_memory_to_run(self, command: LoadModel, free: list[int]) -> None:
        held = ModelLoader().estimate(command)
        assert held.shares
        assert 0 < held.running_bytes < 10 * GIB

    def test_a_model_too_large_for_the_gpu_does_not_share_it(
        self, command: LoadModel, free: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model_loader, "count_parameters", lambda _: 7_000_000_000)
        assert ModelLoader().estimate(command).shares
        free[0] = 10 * GIB
        assert not ModelLoader().estimate(command).shares

    def test_with_a_configured_limit_only_weights_count(self, command: LoadModel, free: list[int]) -> None:
        limited = LoadModel(command.folder, "cuda", "bfloat16", "json", room_bytes=GIB)
        loader = ModelLoader()
        assert loader.room_bytes(limited) == GIB
        assert loader.estimate(limited) == MemoryBudget(loader.estimate(limited).weights_bytes)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no folder"):
        ModelLoader().estimate(LoadModel(tmp_path / "gone", "cpu", "float32", "json"))
