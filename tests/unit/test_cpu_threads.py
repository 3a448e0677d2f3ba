"""The number of threads of a model on a CPU."""

from pathlib import Path

import pytest
import torch

from easyanimate import cpu_threads
from easyanimate.cpu_threads import choose_cpu_threads, fastest_number, largest_linear, measure_threads, product_seconds
from easyanimate.pipeline import EasyAnimatePipeline

CHECKPOINT = Path(__file__).parents[1] / "golden" / "pipeline" / "checkpoint"


@pytest.fixture(scope="module")
def pipe() -> EasyAnimatePipeline:
    return EasyAnimatePipeline.from_pretrained(CHECKPOINT)


@pytest.mark.parametrize(
    ("device", "number", "threads"), [("cpu", None, 1), ("cpu", 3, 3), ("cuda", None, None), ("cuda", 3, None)]
)
def test_a_small_model_has_one_thread_unless_a_number_is_set(
    pipe: EasyAnimatePipeline, device: str, number: int | None, threads: int | None
) -> None:
    assert choose_cpu_threads(pipe, CHECKPOINT, device, number) == threads


def test_the_threads_of_a_large_model_are_measured_with_its_own_layer(
    pipe: EasyAnimatePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_threads, "SMALL_PARAMETERS", 1)
    monkeypatch.setattr(cpu_threads, "TRIAL_OPERATIONS", 1e6)
    monkeypatch.setattr(cpu_threads, "DEFAULT_THREADS", 1)
    assert choose_cpu_threads(pipe, CHECKPOINT, "cpu") == 1


@pytest.mark.parametrize(
    ("available", "slow", "counts"),
    [
        (1, 9, [1]),
        (2, 9, [1, 2]),
        (3, 9, [1, 2, 3]),
        (8, 9, [1, 2, 4, 8]),
        (12, 13, [1, 2, 4, 8, 12]),
        (64, 2, [1, 2]),
        (64, 8, [1, 2, 4, 8]),
    ],
)
def test_powers_of_two_are_measured_until_threads_wait_for_each_other(
    available: int, slow: int, counts: list[int]
) -> None:
    assert list(measure_threads(lambda count: 8 / count if count < slow else 20, available)) == counts


def test_a_measurement_leaves_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_threads, "TRIAL_OPERATIONS", 1e5)
    before = torch.get_num_threads()
    assert product_seconds(torch.nn.Linear(64, 64), before + 1) > 0
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("seconds", "number"),
    [
        ({1: 8.0, 2: 4.0, 4: 2.0, 8: 1.0}, 8),
        ({1: 8.0, 2: 4.0, 4: 2.0, 8: 1.91}, 4),
        ({1: 1.0, 2: 1.0}, 1),
        ({1: 1.0, 2: 20.0}, 1),
        ({1: 3.0, 2: 2.0, 3: 9.0}, 2),
    ],
)
def test_the_fewest_threads_that_are_nearly_the_fastest_are_chosen(seconds: dict[int, float], number: int) -> None:
    assert fastest_number(seconds) == number


def test_the_largest_linear_layer_is_measured(pipe: EasyAnimatePipeline) -> None:
    layer = largest_linear(pipe.transformer)
    sizes = [each.weight.numel() for each in pipe.transformer.modules() if isinstance(each, torch.nn.Linear)]
    assert layer.weight.numel() == max(sizes)
