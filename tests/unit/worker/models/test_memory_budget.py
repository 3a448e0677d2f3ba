"""Which models make way for another one."""

from hypothesis import given
from hypothesis import strategies as st

from worker.models.memory_budget import MemoryBudget, models_to_evict

models = st.builds(MemoryBudget, st.integers(0, 20), st.integers(0, 10), st.booleans())
shelves = st.lists(models, max_size=5).map(lambda held: {str(i): model for i, model in enumerate(held)})


def fits(held: list[MemoryBudget], room: int) -> bool:
    alone = len(held) == 1 or all(model.shares for model in held)
    return alone and sum(m.weights_bytes for m in held) + max(m.running_bytes for m in held) <= room


@given(shelves, models, st.integers(0, 60))
def test_what_stays_has_room_beside_the_newcomer_or_nothing_stays(
    held: dict[str, MemoryBudget], newcomer: MemoryBudget, room: int
) -> None:
    dropped = models_to_evict(held, newcomer, room)
    staying = [model for name, model in held.items() if name not in dropped]
    assert not staying or fits([*staying, newcomer], room)


@given(shelves, models, st.integers(0, 60))
def test_the_oldest_go_first_and_no_more_than_must(
    held: dict[str, MemoryBudget], newcomer: MemoryBudget, room: int
) -> None:
    dropped = models_to_evict(held, newcomer, room)
    assert dropped == list(held)[: len(dropped)]
    if dropped:
        one_more = [held[name] for name in list(held)[len(dropped) - 1 :]]
        assert not fits([*one_more, newcomer], room)


def test_room_is_kept_for_the_hungriest_of_them_to_run() -> None:
    hungry, light = MemoryBudget(5, 10), MemoryBudget(5, 0)
    assert models_to_evict({"hungry": hungry}, light, 20) == []
    assert models_to_evict({"hungry": hungry}, light, 19) == ["hungry"]


def test_one_that_saves_memory_on_its_card_shares_it_with_nobody() -> None:
    assert models_to_evict({"saving": MemoryBudget(1, shares=False)}, MemoryBudget(1), 100) == ["saving"]
    assert models_to_evict({"normal": MemoryBudget(1)}, MemoryBudget(1, shares=False), 100) == ["normal"]
