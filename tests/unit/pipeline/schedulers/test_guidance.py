"""Guidance: the number of transformer rows, and the guided estimate."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from easyanimate.pipeline import EasyAnimatePipeline, make_scheduler
from easyanimate.pipeline.schedulers.denoise import predict_noise

SETTINGS: dict[str, Any] = {"prompt": "a cat", "negative_prompt": "a dog", "height": 32, "width": 32, "num_frames": 8}


@pytest.fixture
def estimates(pipe: EasyAnimatePipeline) -> Iterator[list[Tensor]]:
    """The output of the transformer in each call, [R, 8, f, h, w]."""
    samples: list[Tensor] = []
    hook = pipe.transformer.register_forward_hook(lambda _module, _args, result: samples.append(result.sample))
    yield samples
    hook.remove()


@pytest.mark.parametrize(("scale", "rows"), [(0.0, 1), (1.0, 1), (1.5, 2), (7.0, 2)])
def test_a_scale_above_one_needs_two_rows(
    scale: float, rows: int, pipe: EasyAnimatePipeline, estimates: list[Tensor]
) -> None:
    pipe(**SETTINGS, guidance_scale=scale, num_inference_steps=2, generator=0, output_type="latent")
    assert [len(samples) for samples in estimates] == [rows, rows]


def test_a_step_goes_from_the_negative_row_past_the_prompts(pipe: EasyAnimatePipeline, estimates: list[Tensor]) -> None:
    latents = pipe(**SETTINGS, guidance_scale=7.0, num_inference_steps=1, generator=3, output_type="latent").frames
    noise = torch.randn(1, 4, 2, 4, 4, generator=torch.Generator().manual_seed(3))
    negative, positive = estimates[0][:, :4].float().chunk(2)
    euler = make_scheduler("euler")
    euler.set_timesteps(1)
    guided = negative + 7.0 * (positive - negative)
    expected = euler.step(guided, euler.timesteps[0], noise * euler.init_noise_sigma, return_dict=False)[0]
    torch.testing.assert_close(latents, expected)


@pytest.mark.parametrize("scheduler", ["euler", "euler_ancestral", "dpmpp_2m", "pndm", "ddim"])
@pytest.mark.parametrize("steps", [4, 6])
def test_the_transformer_is_called_once_a_step_and_nine_times_more_by_pndm(
    scheduler: str, steps: int, pipe: EasyAnimatePipeline, estimates: list[Tensor]
) -> None:
    pipe(**SETTINGS, scheduler=scheduler, num_inference_steps=steps, generator=0, output_type="latent")
    assert len(estimates) == steps + (9 if scheduler == "pndm" else 0)


class RecordingTransformer:
    """Estimates no noise, and records the rows of each call."""

    dtype = torch.float32

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, latents: Tensor, **_: Any) -> SimpleNamespace:
        self.rows.append(len(latents))
        return SimpleNamespace(sample=torch.zeros(len(latents), 8, *latents.shape[2:]))


@pytest.mark.parametrize(("options", "calls"), [({}, [2]), ({"sequential_rows": True}, [1, 1])])
def test_both_rows_are_one_call_unless_they_shall_save_memory(options: dict[str, bool], calls: list[int]) -> None:
    transformer = RecordingTransformer()
    inputs = {"encoder_hidden_states": torch.zeros(2, 3, 8)}
    estimate = predict_noise(transformer, torch.zeros(1, 4, 2, 2, 2), torch.tensor(1), inputs, **options)
    assert (transformer.rows, estimate.shape) == (calls, (2, 4, 2, 2, 2))
