"""Kernels of attention: equal results, their choice by measurement, and the refusal of wrong ones."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from easyanimate.transformer.attention import attend
from easyanimate.transformer.inference import kernel_choice, kernels
from easyanimate.transformer.inference.kernel_choice import (
    KernelTrial,
    can_use_kernels,
    choose_kernels,
    fastest_kernel,
    kernel_trials,
    measure_kernels,
    set_attention_kernels,
    torch_attention,
)
from easyanimate.transformer.inference.kernels import ChosenKernels, kernel_key, kernel_names, make_kernel

Make = Callable[..., Any]
CPU = torch.device("cpu")


def tensors(length: int, others: int, rows: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return KernelTrial(rows, length, others).tensors(2, 72, torch.empty(0))


@pytest.mark.parametrize("name", ["flash", "flash+80", "flash+96", "flash+128"])
@pytest.mark.parametrize(("length", "others"), [(17, 17), (17, 5)])
def test_a_kernel_with_padded_heads_has_the_result_of_the_plain_attention(name: str, length: int, others: int) -> None:
    inputs = tensors(length, others)
    torch.testing.assert_close(make_kernel(name)(*inputs), torch_attention(*inputs), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("package", sorted(kernels.PACKAGES))
@pytest.mark.parametrize("returns_more", [False, True])
def test_a_kernel_of_a_package_gets_the_order_of_its_axes(
    package: str, returns_more: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flash_attn_func(q: Tensor, k: Tensor, v: Tensor, softmax_scale: float) -> Any:
        attended = torch.nn.functional.scaled_dot_product_attention(
            *(each.transpose(1, 2) for each in (q, k, v)), scale=softmax_scale
        ).transpose(1, 2)
        return (attended, None) if returns_more else attended

    monkeypatch.setitem(sys.modules, kernels.PACKAGES[package], SimpleNamespace(flash_attn_func=flash_attn_func))
    inputs = tensors(9, 9)
    for name in (package, f"{package}+96"):
        torch.testing.assert_close(make_kernel(name)(*inputs), torch_attention(*inputs), atol=1e-6, rtol=1e-5)


def test_paddings_are_wider_than_the_head() -> None:
    assert {"flash", "flash+80", "cudnn+96", "efficient+128"} <= set(kernel_names(72))
    assert not [name for name in kernel_names(96) if name.endswith(("+80", "+96"))]


@pytest.mark.parametrize(
    ("length", "others", "key"),
    [
        (1, 1, "self-8"),
        (8, 8, "self-8"),
        (18, 18, "self-32"),
        (3600, 3600, "self-4096"),
        (129600, 129600, "self-32768"),
        (1008, 128, "context-1024"),
    ],
)
def test_a_length_belongs_to_the_next_power_of_two(length: int, others: int, key: str) -> None:
    assert kernel_key(torch.empty(1, 1, length, 0), torch.empty(1, 1, others, 0)) == key


def test_the_trials_have_a_row_for_each_length_of_a_call() -> None:
    keys = {kernel_key(torch.empty(1, 1, t.length, 0), torch.empty(1, 1, t.others, 0)) for t in kernel_trials()}
    assert {f"self-{2**i}" for i in range(3, 16)} <= keys
    assert {f"context-{2**i}" for i in range(8, 16)} <= keys


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_cpu_and_a_small_model_measure_nothing(device: str, trained: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_choice, "measure_kernels", None)
    assert choose_kernels(trained(), device) is None


def test_a_large_model_measures_its_own_heads(trained: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Any] = []
    monkeypatch.setattr(kernel_choice, "SMALL_PARAMETERS", 1)
    monkeypatch.setattr(kernel_choice, "measure_kernels", lambda *arguments: measured.append(arguments[:4]) or {})
    assert choose_kernels(trained(), "cuda") == {}
    assert measured == [(2, 16, torch.float32, torch.device("cuda"))]


def test_a_measurement_chooses_among_the_kernels_that_run_here() -> None:
    table = measure_kernels(2, 72, torch.float32, CPU, [KernelTrial(2, 16, 16), KernelTrial(2, 256, 128)])
    assert set(table) <= {"self-16", "context-256"}
    assert set(table.values()) <= set(kernel_names(72))


def choose_only(kernel: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The choice if `kernel` is the only one, and seems to take no time."""
    monkeypatch.setattr(kernel_choice, "kernel_names", lambda width: ["one"])
    monkeypatch.setattr(kernel_choice, "make_kernel", lambda name: kernel)
    monkeypatch.setattr(kernel_choice, "_seconds", lambda each, _: float(each is torch_attention))
    return measure_kernels(2, 72, torch.float32, CPU, [KernelTrial(2, 16, 16)])


def refuses(*_: Tensor) -> Tensor:
    raise RuntimeError("No available kernel")


@pytest.mark.parametrize(
    ("kernel", "chosen"),
    [
        (torch.nn.functional.scaled_dot_product_attention, True),
        (lambda q, k, v: torch_attention(q, k, v) * 1.001, False),
        (lambda q, k, v: torch_attention(q, k, v) * float("nan"), False),
        (refuses, False),
    ],
)
def test_a_kernel_that_is_wrong_or_fails_is_not_chosen(
    kernel: Callable[..., Tensor], chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose_only(kernel, monkeypatch) == ({"self-16": "one"} if chosen else {})


@pytest.mark.parametrize(
    ("plain", "seconds", "name"),
    [
        (1.0, {"a": 0.9, "b": 0.8}, "b"),
        (1.0, {"a": 0.96}, None),
        (1.0, {"a": None, "b": 0.5}, "b"),
        (1.0, {"a": None}, None),
        (1.0, {}, None),
    ],
)
def test_a_kernel_must_save_time(plain: float, seconds: dict[str, float | None], name: str | None) -> None:
    assert fastest_kernel(plain, seconds) == name


def test_a_chosen_kernel_computes_the_calls_of_its_length_only(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(*inputs: Tensor) -> Tensor:
        calls.append(inputs[0].shape[2])
        return torch_attention(*inputs)

    monkeypatch.setattr(kernels, "make_kernel", lambda name: counted)
    chosen = ChosenKernels({"self-16": "one"})
    attend(*tensors(9, 9), None, chosen)
    attend(*tensors(9, 9, rows=40_000), None, chosen)  # in two pieces
    attend(*tensors(33, 33), None, chosen)
    attend(*tensors(9, 4), None, chosen)
    attend(*tensors(9, 9), torch.zeros(2, 1, 1, 9), chosen)
    assert calls == [9, 9, 9]


def test_the_transformer_has_the_same_result_with_chosen_kernels(trained: Make, inputs: Make) -> None:
    model, arguments = trained(), inputs()
    with torch.no_grad():
        plain = model(**arguments).sample
        set_attention_kernels(model, {f"self-{2**i}": "flash+80" for i in range(3, 8)})
        chosen = model(**arguments).sample
        set_attention_kernels(model, None)
        again = model(**arguments).sample
    torch.testing.assert_close(chosen, plain, atol=2e-5, rtol=1e-4)
    assert not torch.equal(chosen, plain)
    assert torch.equal(again, plain)


def test_kernels_of_another_machine_are_recognised(trained: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flash_attn_interface", None)  # an import raises ImportError
    assert can_use_kernels({"self-8": "flash+96"})
    assert not can_use_kernels({"self-8": "flash-attn-3"})
    assert not can_use_kernels({"self-8": "of-a-later-release"})
    with pytest.raises(ValueError, match="there is no attention kernel"):
        set_attention_kernels(trained(), {"self-8": "of-a-later-release"})
