"""Values that a step callback may return, request and set, as diffusers users know them."""

import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback, SDCFGCutoffCallback
from torch import Tensor

from easyanimate.errors import Interrupted, InvalidInput
from easyanimate.pipeline import EasyAnimatePipeline

Make = Callable[..., Tensor]


class HalfwayCallback(PipelineCallback):  # type: ignore[misc]
    """Records its arguments after half of the steps."""

    tensor_inputs: ClassVar[list[str]] = ["latents"]
    observed: Any = None

    def callback_fn(self, pipeline: Any, step_index: int, timestep: Any, callback_kwargs: Any) -> Any:
        if step_index == pipeline.num_timesteps // 2:
            self.observed = (step_index, sorted(callback_kwargs), pipeline.guidance_scale)
        return callback_kwargs


def test_a_callback_that_returns_none_changes_nothing(latents_of: Make) -> None:
    assert torch.equal(latents_of(callback_on_step_end=lambda *_: None), latents_of())


@pytest.mark.parametrize("answer", [7, [], {"latents": None}, {"latents": torch.zeros(1)}])
def test_an_answer_that_holds_no_latents_is_refused(answer: Any, latents_of: Make) -> None:
    with pytest.raises(InvalidInput, match="callback_on_step_end must return"):
        latents_of(callback_on_step_end=lambda *_: answer)


def test_a_callback_that_sets_interrupt_stops_after_that_step(latents_of: Make) -> None:
    observed: list[tuple[int, bool]] = []

    def stop(pipe: Any, index: int, _timestep: Any, tensors: Any) -> Any:
        pipe._interrupt = index == 1
        observed.append((index, pipe.interrupt))
        return tensors

    with pytest.raises(Interrupted):
        latents_of(num_inference_steps=5, callback_on_step_end=stop)
    assert observed == [(0, False), (1, True)]


def test_an_interrupted_call_leaves_no_trace_on_the_pipeline(pipe: EasyAnimatePipeline, latents_of: Make) -> None:
    before = set(vars(pipe))
    with pytest.raises(Interrupted):
        latents_of(callback_on_step_end=lambda pipe, *_: setattr(pipe, "_interrupt", True))
    assert set(vars(pipe)) == before
    assert not pipe.interrupt
    latents_of()


def test_interrupt_is_refused_outside_a_callback(pipe: EasyAnimatePipeline) -> None:
    pipe._interrupt = False
    with pytest.raises(InvalidInput, match="raise Interrupted there"):
        pipe._interrupt = True


def test_one_call_is_interrupted_and_another_in_a_second_thread_is_not(latents_of: Make) -> None:
    inside, done = threading.Event(), threading.Event()
    results: list[Tensor] = []

    def wait(_pipe: Any, _index: int, _timestep: Any, tensors: Any) -> Any:
        inside.set()
        assert done.wait(240)
        return tensors

    thread = threading.Thread(target=lambda: results.append(latents_of(callback_on_step_end=wait)))
    thread.start()
    assert inside.wait(240)
    with pytest.raises(Interrupted):
        latents_of(callback_on_step_end=lambda pipe, *_: setattr(pipe, "_interrupt", True))
    done.set()
    thread.join()
    assert torch.equal(results[0], latents_of())


def test_a_callback_gets_the_tensors_it_names(latents_of: Make) -> None:
    tensors: list[list[str]] = []
    note = {"callback_on_step_end": lambda *arguments: tensors.append(sorted(arguments[3]))}
    for names in (["latents"], [], None, ("pred_original_sample",)):
        latents_of(num_inference_steps=1, **note, callback_on_step_end_tensor_inputs=names)
    assert tensors == [["latents"], [], ["latents", "pred_original_sample"], ["pred_original_sample"]]


@pytest.mark.parametrize("names", ["latents", ["prompt_embeds"], [7], 7])
def test_tensors_that_no_step_has_are_refused(names: Any, latents_of: Make) -> None:
    with pytest.raises(InvalidInput, match="callback_on_step_end_tensor_inputs must be a list of some of latents"):
        latents_of(callback_on_step_end_tensor_inputs=names)


@pytest.mark.parametrize("wrap", [lambda callback: callback, lambda callback: MultiPipelineCallbacks([callback])])
def test_a_callback_object_of_diffusers_finds_steps_and_guidance(wrap: Any, latents_of: Make) -> None:
    callback = HalfwayCallback()
    latents_of(num_inference_steps=4, callback_on_step_end=wrap(callback))
    assert callback.observed == (2, ["latents"], 7.0)


def test_a_callback_object_that_requests_other_tensors_is_refused_before_the_first_step(latents_of: Make) -> None:
    with pytest.raises(InvalidInput, match="the callback requests 'prompt_embeds'"):
        latents_of(callback_on_step_end=SDCFGCutoffCallback())


def test_guidance_cannot_change_during_a_call(latents_of: Make) -> None:
    with pytest.raises(InvalidInput, match="guidance_scale cannot change"):
        latents_of(callback_on_step_end=lambda pipe, *_: setattr(pipe, "_guidance_scale", 0.0))


@pytest.mark.parametrize("callback", [3, "print", [print]])
def test_a_callback_that_cannot_be_called_is_refused(callback: Any, latents_of: Make) -> None:
    with pytest.raises(InvalidInput, match="callback_on_step_end must be a function"):
        latents_of(callback_on_step_end=callback)
