"""The models that are evicted before another one is loaded."""

from hypothesis import given
from hypothesis import strategies as st

from worker.models.memory_budget import MemoryBudget, models_to_evict

models = st.builds(MemoryBudget, st.integers(0, 20), st.integers(0, 10), st.booleans())
loaded_models = st.lists(models, max_size=5).map(lambda loaded: {str(i): model for i, model in enumerate(loaded)})


def fits(loaded: list[MemoryBudget], room: int) -> bool:
    alone = len(loaded) == 1 or all(model.shares for model in loaded)
    return alone and sum(m.weights_bytes for m in loaded) + max(m.running_bytes for m in loaded) <= room


@given(loaded_models, models, st.integers(0, 60))
def test_the_models_that_stay_fit_beside_the_new_one_or_none_stays(
    loaded: dict[str, MemoryBudget], new: MemoryBudget, room: int
) -> None:
    evicted = models_to_evict(loaded, new, room)
    staying = [model for name, model in loaded.items() if name not in evicted]
    assert not staying or fits([*staying, new], room)


@given(loaded_models, models, st.integers(0, 60))
def test_the_oldest_are_evicted_first_and_no_more_than_needed(
    loaded: dict[str, MemoryBudget], new: MemoryBudget, room: int
) -> None:
    evicted = models_to_evict(loaded, new, room)
    assert evicted == list(loaded)[: len(evicted)]
    if evicted:
        one_more = [loaded[name] for name in list(loaded)[len(evicted) - 1 :]]
        assert not fits([*one_more, new], room)


def test_memory_for_the_largest_run_stays_free() -> None:
    running, light = MemoryBudget(5, 10), MemoryBudget(5, 0)
    assert models_to_evict({"running": running}, light, 20) == []
    assert models_to_evict({"running": running}, light, 19) == ["running"]


def test_a_model_that_saves_memory_does_not_share_its_device() -> None:
    assert models_to_evict({"saving": MemoryBudget(1, shares=False)}, MemoryBudget(1), 100) == ["saving"]
    assert models_to_evict({"normal": MemoryBudget(1)}, MemoryBudget(1, shares=False), 100) == ["normal"]
