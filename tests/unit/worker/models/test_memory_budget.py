"""Which models make way for another one."""

from hypothesis import given
from hypothesis import strategies as st

from worker.models.memory_budget import Footprint, to_drop

models = st.builds(Footprint, st.integers(0, 20), st.integers(0, 10), st.booleans())
shelves = st.lists(models, max_size=5).map(lambda held: {str(i): model for i, model in enumerate(held)})


def fits(held: list[Footprint], room: int) -> bool:
    alone = len(held) == 1 or all(model.shares for model in held)
    return alone and sum(m.weights_bytes for m in held) + max(m.running_bytes for m in held) <= room


@given(shelves, models, st.integers(0, 60))
def test_what_stays_has_room_beside_the_newcomer_or_nothing_stays(
    held: dict[str, Footprint], newcomer: Footprint, room: int
) -> None:
    dropped = to_drop(held, newcomer, room)
    staying = [model for name, model in held.items() if name not in dropped]
    assert not staying or fits([*staying, newcomer], room)


@given(shelves, models, st.integers(0, 60))
def test_the_oldest_go_first_and_no_more_than_must(held: dict[str, Footprint], newcomer: Footprint, room: int) -> None:
    dropped = to_drop(held, newcomer, room)
    assert dropped == list(held)[: len(dropped)]
    if dropped:
        one_more = [held[name] for name in list(held)[len(dropped) - 1 :]]
        assert not fits([*one_more, newcomer], room)


def test_room_is_kept_for_the_hungriest_of_them_to_run() -> None:
    hungry, light = Footprint(5, 10), Footprint(5, 0)
    assert to_drop({"hungry": hungry}, light, 20) == []
    assert to_drop({"hungry": hungry}, light, 19) == ["hungry"]


def test_one_that_saves_memory_on_its_card_shares_it_with_nobody() -> None:
    assert to_drop({"saving": Footprint(1, shares=False)}, Footprint(1), 100) == ["saving"]
    assert to_drop({"normal": Footprint(1)}, Footprint(1, shares=False), 100) == ["normal"]
