"""Loaded models go first, and not for ever."""

from hypothesis import given
from hypothesis import strategies as st

from worker.supervisor.model_rotation import ModelRotation

TURN_S = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_loaded_goes_first() -> None:
    turns = ModelRotation(["a", "b", "c"], TURN_S, Clock())
    assert turns.order({"b"}) == ["b", "a", "c"]


def test_loaded_models_take_turns() -> None:
    turns = ModelRotation(["a", "b"], TURN_S, Clock())
    turns.served("a")
    assert turns.order({"a", "b"}) == ["b", "a"]
    turns.served("b")
    assert turns.order({"a", "b"}) == ["a", "b"]


def test_when_the_turn_is_over_the_others_go_first_the_one_that_waits_longest_before_all() -> None:
    clock = Clock()
    turns = ModelRotation(["a", "b", "c"], TURN_S, clock)
    turns.order({"a"})
    turns.served("b")
    clock.now = TURN_S
    assert turns.order({"a"}) == ["c", "b", "a"]


def test_a_load_begins_a_new_turn_and_a_drop_does_not() -> None:
    clock = Clock()
    turns = ModelRotation(["a", "b"], TURN_S, clock)
    turns.order({"a", "b"})
    clock.now = TURN_S
    assert turns.order({"b"}) == ["a", "b"]
    assert turns.order({"a"}) == ["a", "b"]


@given(
    models=st.integers(2, 5),
    room=st.integers(1, 4),
    job_s=st.lists(st.floats(0.1, 100.0), min_size=150, max_size=150),
)
def test_nobody_starves_when_all_models_always_have_jobs(models: int, room: int, job_s: list[float]) -> None:
    """From one job of a model to its next lie at most so many turns as there are other models, and a job each."""
    clock, names = Clock(), [str(i) for i in range(models)]
    turns, loaded = ModelRotation(names, TURN_S, clock), dict.fromkeys(names[:1])
    last = dict.fromkeys(names, 0.0)
    bound = models * (TURN_S + 2 * max(job_s))
    for seconds in job_s:
        model = turns.order(loaded)[0]
        turns.served(model)
        loaded.pop(model, None)
        loaded[model] = None
        while len(loaded) > room:
            del loaded[next(iter(loaded))]
        clock.now += seconds
        last[model] = clock.now
        assert clock.now - min(last.values()) <= bound
