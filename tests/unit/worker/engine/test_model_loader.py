"""What models take, by their files and when they are loaded; and that dropped ones are gone."""

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
def order(models_dir: Path) -> LoadModel:
    return LoadModel(models_dir / MODEL, "cpu", "float32", "json")


def test_the_files_tell_what_the_loaded_model_takes(order: LoadModel) -> None:
    loader = ModelLoader()
    maker, held = loader.load(order)
    assert loader.size_up(order).weights_bytes == pytest.approx(held.weights_bytes, rel=0.05)
    assert (maker.card.name, maker.memory, held.shares) == (MODEL, "normal", True)


def test_a_dropped_model_is_gone_from_memory(order: LoadModel, models_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.symlink_to(models_dir / MODEL)
    models = ModelCache(ModelLoader())
    assert isinstance(models.load(order), Ready)
    weights = weakref.ref(models.use(MODEL).pipe.transformer)  # type: ignore[attr-defined]
    assert weights() is not None
    models.load(LoadModel(other, "cpu", "float32", "json", alone=True))
    assert weights() is None


def test_without_a_setting_the_weights_may_take_half_of_the_machine(order: LoadModel) -> None:
    assert ModelLoader().room_bytes(order) == host_memory_bytes() // 2


class TestOnACard:
    """One of 40 GiB, as far as the sums go; nothing is put on it."""

    @pytest.fixture
    def free(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        free = [40 * GIB]
        monkeypatch.setattr(model_loader, "choose_device", lambda _: torch.device("cuda"))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free[0], 80 * GIB))
        return free

    def test_what_was_free_at_first_is_what_there_is(self, order: LoadModel, free: list[int]) -> None:
        loader = ModelLoader()
        assert loader.room_bytes(order) == 40 * GIB
        free[0] = GIB
        assert loader.room_bytes(order) == 40 * GIB

    def test_a_small_model_shares_it_and_needs_room_to_run(self, order: LoadModel, free: list[int]) -> None:
        held = ModelLoader().size_up(order)
        assert held.shares
        assert 0 < held.running_bytes < 10 * GIB

    def test_a_large_one_on_a_card_too_small_for_it_is_alone(
        self, order: LoadModel, free: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model_loader, "num_values", lambda _: 7_000_000_000)
        assert ModelLoader().size_up(order).shares
        free[0] = 10 * GIB
        assert not ModelLoader().size_up(order).shares

    def test_with_a_room_of_the_operator_s_only_weights_count(self, order: LoadModel, free: list[int]) -> None:
        asked = LoadModel(order.folder, "cuda", "bfloat16", "json", room_bytes=GIB)
        loader = ModelLoader()
        assert loader.room_bytes(asked) == GIB
        assert loader.size_up(asked) == MemoryBudget(loader.size_up(asked).weights_bytes)


def test_a_folder_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no folder"):
        ModelLoader().size_up(LoadModel(tmp_path / "gone", "cpu", "float32", "json"))
