"""Guidance: how many rows the transformer is asked for, and what is made of them."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from easyanimate.pipeline import EasyAnimatePipeline, make_scheduler

ASKED: dict[str, Any] = {"prompt": "a cat", "negative_prompt": "a dog", "height": 32, "width": 32, "num_frames": 8}


@pytest.fixture
def estimates(pipe: EasyAnimatePipeline) -> Iterator[list[Tensor]]:
    """What the transformer said in each call, [R, 8, f, h, w]."""
    said: list[Tensor] = []
    hook = pipe.transformer.register_forward_hook(lambda _module, _args, result: said.append(result.sample))
    yield said
    hook.remove()


@pytest.mark.parametrize(("scale", "rows"), [(0.0, 1), (1.0, 1), (1.5, 2), (7.0, 2)])
def test_a_scale_above_one_asks_for_two_rows(
    scale: float, rows: int, pipe: EasyAnimatePipeline, estimates: list[Tensor]
) -> None:
    pipe(**ASKED, guidance_scale=scale, num_inference_steps=2, generator=0, output_type="latent")
    assert [len(said) for said in estimates] == [rows, rows]


def test_a_step_goes_from_the_negative_row_past_the_prompts(pipe: EasyAnimatePipeline, estimates: list[Tensor]) -> None:
    made = pipe(**ASKED, guidance_scale=7.0, num_inference_steps=1, generator=3, output_type="latent").frames
    noise = torch.randn(1, 4, 2, 4, 4, generator=torch.Generator().manual_seed(3))
    negative, positive = estimates[0][:, :4].float().chunk(2)
    euler = make_scheduler("euler")
    euler.set_timesteps(1)
    guided = negative + 7.0 * (positive - negative)
    expected = euler.step(guided, euler.timesteps[0], noise * euler.init_noise_sigma, return_dict=False)[0]
    torch.testing.assert_close(made, expected)


@pytest.mark.parametrize("scheduler", ["euler", "euler_ancestral", "dpmpp_2m", "pndm", "ddim"])
@pytest.mark.parametrize("steps", [4, 6])
def test_the_transformer_is_called_once_a_step_and_nine_times_more_by_pndm(
    scheduler: str, steps: int, pipe: EasyAnimatePipeline, estimates: list[Tensor]
) -> None:
    pipe(**ASKED, scheduler=scheduler, num_inference_steps=steps, generator=0, output_type="latent")
    assert len(estimates) == steps + (9 if scheduler == "pndm" else 0)
