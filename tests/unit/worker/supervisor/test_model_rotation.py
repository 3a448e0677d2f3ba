"""Loaded models come first, for a limited time."""

from hypothesis import given
from hypothesis import strategies as st

from worker.supervisor.model_rotation import ModelRotation

TURN_S = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_loaded_models_come_first() -> None:
    rotation = ModelRotation(["a", "b", "c"], TURN_S, Clock())
    assert rotation.order({"b"}) == ["b", "a", "c"]


def test_the_least_recently_served_of_the_loaded_models_comes_first() -> None:
    rotation = ModelRotation(["a", "b"], TURN_S, Clock())
    rotation.served("a")
    assert rotation.order({"a", "b"}) == ["b", "a"]
    rotation.served("b")
    assert rotation.order({"a", "b"}) == ["a", "b"]


def test_after_the_turn_the_other_models_come_first_the_least_recently_served_one_before_all() -> None:
    clock = Clock()
    rotation = ModelRotation(["a", "b", "c"], TURN_S, clock)
    rotation.order({"a"})
    rotation.served("b")
    clock.now = TURN_S
    assert rotation.order({"a"}) == ["c", "b", "a"]


def test_a_load_begins_a_new_turn_and_a_drop_does_not() -> None:
    clock = Clock()
    rotation = ModelRotation(["a", "b"], TURN_S, clock)
    rotation.order({"a", "b"})
    clock.now = TURN_S
    assert rotation.order({"b"}) == ["a", "b"]
    assert rotation.order({"a"}) == ["a", "b"]


@given(
    models=st.integers(2, 5),
    capacity=st.integers(1, 4),
    job_s=st.lists(st.floats(0.1, 100.0), min_size=150, max_size=150),
)
def test_no_model_starves_when_all_models_always_have_jobs(models: int, capacity: int, job_s: list[float]) -> None:
    """Between two jobs of a model there is at most one turn and one job of each other model."""
    clock, names = Clock(), [str(i) for i in range(models)]
    rotation, loaded = ModelRotation(names, TURN_S, clock), dict.fromkeys(names[:1])
    last = dict.fromkeys(names, 0.0)
    bound = models * (TURN_S + 2 * max(job_s))
    for seconds in job_s:
        model = rotation.order(loaded)[0]
        rotation.served(model)
        loaded.pop(model, None)
        loaded[model] = None
        while len(loaded) > capacity:
            del loaded[next(iter(loaded))]
        clock.now += seconds
        last[model] = clock.now
        assert clock.now - min(last.values()) <= bound
