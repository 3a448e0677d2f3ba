"""Laws of a call: what changes the result, what does not, and the state after a stopped call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.errors import Interrupted, InvalidInput, NotFinite
from easyanimate.pipeline import SCHEDULERS, Draws, EasyAnimatePipeline, num_timesteps

Make = Callable[..., Tensor]


def stop_after(steps: int, indices: list[int]) -> Callable[..., dict[str, Tensor]]:
    def callback(_pipe: Any, index: int, _timestep: Any, kwargs: dict[str, Tensor]) -> dict[str, Tensor]:
        indices.append(index)
        if len(indices) == steps:
            raise Interrupted("enough")
        return kwargs

    return callback


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_same_seed_makes_the_same_latents(scheduler: str, latents_of: Make) -> None:
    settings = {"scheduler": scheduler, "num_inference_steps": 4}
    assert torch.equal(latents_of(**settings), latents_of(**settings))


def test_the_global_random_state_has_no_effect(latents_of: Make) -> None:
    torch.manual_seed(1)
    first = latents_of(scheduler="euler_ancestral")
    torch.manual_seed(2)
    assert torch.equal(latents_of(scheduler="euler_ancestral"), first)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_stopped_call_leaves_no_trace_in_the_next(scheduler: str, latents_of: Make) -> None:
    settings = {"scheduler": scheduler, "num_inference_steps": 4}
    before = latents_of(**settings)
    with pytest.raises(Interrupted):
        latents_of("another prompt", **settings, generator=5, callback_on_step_end=stop_after(2, []))
    assert torch.equal(latents_of(**settings), before)


def test_other_settings_in_between_leave_no_trace(latents_of: Make, start_image: Image.Image) -> None:
    before = latents_of()
    latents_of(image=start_image, guidance_scale=2.0, scheduler="pndm", num_inference_steps=5, num_frames=16)
    assert torch.equal(latents_of(), before)


def test_it_stops_within_one_step(latents_of: Make) -> None:
    indices: list[int] = []
    with pytest.raises(Interrupted):
        latents_of(num_inference_steps=10, callback_on_step_end=stop_after(3, indices))
    assert indices == [0, 1, 2]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_callback_comes_as_often_as_announced(scheduler: str, latents_of: Make) -> None:
    indices: list[int] = []
    latents_of(scheduler=scheduler, num_inference_steps=5, callback_on_step_end=stop_after(-1, indices))
    assert indices == list(range(num_timesteps(scheduler, 5)))


def test_latents_from_the_callback_replace_the_current_ones(latents_of: Make) -> None:
    assert latents_of(callback_on_step_end=lambda *_: {"latents": torch.zeros(1, 4, 2, 4, 6)}).eq(0).all()


def test_the_phases_are_reported_in_order(pipe: EasyAnimatePipeline) -> None:
    phases: list[str] = []
    settings = {"height": 32, "width": 32, "num_frames": 1, "num_inference_steps": 1}
    pipe("a cat", **settings, callback_on_phase=phases.append)
    assert phases == ["encoding", "denoising", "decoding"]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a blue square"},
        {"negative_prompt": "a dog"},
        {"generator": 1},
        {"guidance_scale": 3.0},
        {"num_inference_steps": 3},
        {"scheduler": "ddim"},
        {"sample_posterior": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_setting_changes_the_result(change: dict[str, Any], latents_of: Make) -> None:
    assert not torch.allclose(latents_of(**change), latents_of())


def test_a_start_image_changes_the_result(latents_of: Make, start_image: Image.Image) -> None:
    with_image = latents_of(image=start_image)
    assert not torch.allclose(with_image, latents_of())
    assert not torch.allclose(with_image, latents_of(image=start_image.rotate(180)))


def test_clip_has_an_effect_in_the_last_share_of_the_steps(latents_of: Make, start_image: Image.Image) -> None:
    results = [latents_of(image=start_image, clip_apply_ratio=ratio) for ratio in (0.0, 0.5, 1.0)]
    assert not torch.allclose(results[0], results[1])
    assert not torch.allclose(results[1], results[2])


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_without_guidance_the_negative_prompt_has_no_effect(scale: float, latents_of: Make) -> None:
    alone = latents_of(guidance_scale=scale, negative_prompt="a dog")
    assert torch.equal(alone, latents_of(guidance_scale=1.0))


def test_guidance_just_above_one_is_nearly_none(latents_of: Make) -> None:
    torch.testing.assert_close(
        latents_of(guidance_scale=1.0 + 1e-6), latents_of(guidance_scale=1.0), rtol=1e-3, atol=1e-2
    )


def test_a_generator_and_its_seed_are_the_same(latents_of: Make) -> None:
    by_generator = latents_of(generator=torch.Generator().manual_seed(7))
    assert torch.equal(by_generator, latents_of(generator=7))
    assert torch.equal(by_generator, latents_of(generator=Draws.from_seed(7)))


def test_without_a_seed_every_call_is_another(latents_of: Make) -> None:
    assert not torch.equal(latents_of(generator=None), latents_of(generator=None))


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_each_seed_up_to_the_largest_is_accepted(seed: int) -> None:
    assert Draws.from_seed(seed).generator.initial_seed() == seed


class NamedDraws(Draws):
    """Draws that list their names and shapes."""

    def __init__(self) -> None:
        super().__init__(torch.Generator().manual_seed(0))
        self.drawn: list[tuple[str, tuple[int, ...]]] = []

    def normal(self, shape: Any, name: str) -> Tensor:
        self.drawn.append((name, tuple(shape)))
        return super().normal(shape, name)


def test_random_numbers_are_drawn_in_a_fixed_order(pipe: EasyAnimatePipeline) -> None:
    draws, video = NamedDraws(), np.zeros((24, 32, 48, 3), dtype=np.uint8)
    settings = {"height": 32, "width": 48, "num_frames": 24, "num_inference_steps": 2}
    pipe("a cat", video=video, strength=0.5, **settings, generator=draws, output_type="np")
    whole, part = (1, 4, 6, 4, 6), (1, 4, 2, 4, 6)
    names = ["initial_noise", "mask", "masked_video", "init_video"]
    assert draws.drawn == [*((name, whole) for name in names), ("smoothing", part), ("smoothing", part)]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed: int, latents_of: Make) -> None:
    with pytest.raises(InvalidInput, match="seed must be between"):
        latents_of(generator=seed)


def test_latents_that_are_no_numbers_are_an_error(latents_of: Make) -> None:
    with pytest.raises(NotFinite, match="NaN"):
        latents_of(callback_on_step_end=lambda *_: {"latents": torch.full((1, 4, 2, 4, 6), torch.nan)})


def test_the_forms_of_output_agree(pipe: EasyAnimatePipeline) -> None:
    settings = {"height": 32, "width": 48, "num_frames": 8, "num_inference_steps": 1, "generator": 0}
    arrays, tensors, images = (pipe("a cat", **settings, output_type=kind).frames for kind in ("np", "pt", "pil"))
    assert arrays.shape == (1, 8, 32, 48, 3)
    assert tensors.shape == (1, 8, 3, 32, 48)
    assert np.array_equal(tensors.permute(0, 1, 3, 4, 2).numpy(), arrays)
    assert np.array_equal(np.stack([np.asarray(image) for image in images[0]]), (arrays[0] * 255).round())


def test_an_unknown_form_of_output_is_refused(pipe: EasyAnimatePipeline) -> None:
    with pytest.raises(InvalidInput, match="output_type"):
        pipe("a cat", height=32, width=32, num_frames=8, output_type="gif")


def test_one_frame_is_an_image(pipe: EasyAnimatePipeline) -> None:
    output = pipe("a cat", height=48, width=32, num_frames=1, num_inference_steps=1)
    assert [image.size for image in output.frames[0]] == [(32, 48)]


def test_the_rest_of_a_long_prompt_is_in_a_warning(pipe: EasyAnimatePipeline) -> None:
    output = pipe("word " * 150 + "end", height=32, width=32, num_frames=1, num_inference_steps=1, output_type="latent")
    assert len(output.warnings) == 1
    assert output.warnings[0].endswith("end'")


def test_half_precision_weights_make_finite_latents(checkpoint: Any) -> None:
    pipe = EasyAnimatePipeline.from_pretrained(checkpoint, torch_dtype=torch.bfloat16)
    output = pipe("a cat", height=32, width=32, num_frames=8, num_inference_steps=2, output_type="latent")
    assert output.frames.dtype == torch.float32
