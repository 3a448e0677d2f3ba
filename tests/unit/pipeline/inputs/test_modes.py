"""Inputs of a clip: the known pixels of each mode, and combinations that are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.pipeline import SCHEDULERS, EasyAnimatePipeline, Generation, num_timesteps
from easyanimate.pipeline.inputs.conditioning import InpaintInput, prepare_inpaint_input
from easyanimate.pipeline.inputs.images import prepare_mask

Make = Callable[..., Tensor]
FEW: dict[str, Any] = {"prompt": "a cat", "height": 32, "width": 48, "num_frames": 8}
RED, BLUE = Image.new("RGB", (48, 32), "red"), Image.new("RGB", (48, 32), "blue")
VIDEO = torch.randint(0, 256, (8, 32, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
RIGHT_HALF = np.zeros((32, 48), np.uint8)
RIGHT_HALF[:, 24:] = 255


def inpaint_input(**settings: Any) -> InpaintInput:
    return prepare_inpaint_input(Generation(**{**FEW, **settings}))


def levels(inpaint_input: InpaintInput) -> list[float]:
    """The mask of each frame at its first pixel, as 255 where the frame is generated."""
    return (inpaint_input.mask_video()[0, 0, :, 0, 0] * 255).tolist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [255] * 8),
        ({"image": RED}, [0] + [255] * 7),
        ({"image": RED, "last_image": BLUE}, [0] + [255] * 6 + [0]),
        ({"context_frames": [RED, BLUE]}, [0, 0] + [255] * 6),
        ({"context_frames": VIDEO[:4], "last_image": BLUE}, [0] * 4 + [255] * 3 + [0]),
        ({"video": VIDEO, "strength": 0.5}, [255] * 8),
        ({"video": VIDEO, "mask": RIGHT_HALF}, [0] * 8),
    ],
)
def test_the_mask_is_255_where_frames_are_generated(settings: dict[str, Any], expected: list[float]) -> None:
    assert levels(inpaint_input(**settings)) == expected


def test_the_ends_are_the_images_and_the_rest_is_black() -> None:
    observed = inpaint_input(image=RED, last_image=BLUE).masked_video()[0, :, :, 5, 5].T.tolist()
    assert observed == [[1, -1, -1], *[[-1, -1, -1]] * 6, [-1, -1, 1]]


@pytest.mark.parametrize("settings", [{"image": RED}, {"context_frames": [RED, BLUE]}])
def test_the_image_encoder_reads_the_first_frame(settings: dict[str, Any]) -> None:
    image = inpaint_input(**settings).image
    assert image is not None
    assert image.getpixel((3, 3)) == (255, 0, 0)


def test_the_image_encoder_reads_no_frame_of_a_video() -> None:
    assert inpaint_input(video=VIDEO, strength=0.5).image is None


def test_a_region_mask_shows_the_half_that_is_kept() -> None:
    inputs = inpaint_input(video=VIDEO, mask=RIGHT_HALF)
    pixels = VIDEO.float().permute(3, 0, 1, 2) / 127.5 - 1
    assert inputs.masked_video()[0, :, :, :, 24:].eq(-1).all()
    torch.testing.assert_close(inputs.masked_video()[0, :, :, :, :24], pixels[..., :24])
    assert inputs.mask_video()[..., 24:].eq(1).all()
    assert inputs.mask_video()[..., :24].eq(0).all()


@pytest.mark.parametrize(("level", "expected"), [(0, 0.0), (239, 0.0), (240, 1.0), (255, 1.0)])
def test_a_mask_is_white_from_240_on(level: int, expected: float) -> None:
    assert prepare_mask(Image.new("L", (3, 2), level), 4, 4).unique().tolist() == [expected]


def test_frames_are_the_same_as_tensor_array_and_images() -> None:
    forms = (VIDEO, VIDEO.numpy(), [Image.fromarray(frame) for frame in VIDEO.numpy()])
    first, *others = (inpaint_input(video=form, strength=0.5).pixels for form in forms)
    assert all(torch.equal(first, other) for other in others)


def test_of_a_longer_video_the_first_frames_are_used() -> None:
    longer = torch.cat([VIDEO, VIDEO.flip(0)])
    assert torch.equal(
        inpaint_input(video=longer, strength=0.5).pixels, inpaint_input(video=VIDEO, strength=0.5).pixels
    )


def test_a_video_of_another_size_is_stretched() -> None:
    assert inpaint_input(video=torch.zeros(8, 20, 30, 3, dtype=torch.uint8), strength=0.5).pixels.shape == (
        3,
        8,
        32,
        48,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"image": RED, "last_image": BLUE},
        {"context_frames": VIDEO[:3]},
        {"video": VIDEO, "strength": 0.5},
        {"video": VIDEO, "mask": RIGHT_HALF},
    ],
    ids=lambda settings: "+".join(settings),
)
def test_each_input_changes_the_result(settings: dict[str, Any], latents_of: Make) -> None:
    assert not torch.allclose(latents_of(**settings), latents_of())


def test_the_end_image_changes_the_result(latents_of: Make) -> None:
    assert not torch.allclose(latents_of(image=RED, last_image=BLUE), latents_of(image=RED))


def test_one_context_frame_is_a_start_image(latents_of: Make) -> None:
    assert torch.equal(latents_of(context_frames=[RED]), latents_of(image=RED))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_strength_is_the_share_of_steps_that_run(scheduler: str, latents_of: Make) -> None:
    observed: list[int] = []

    def count(_pipe: Any, index: int, _timestep: Any, _kwargs: Any) -> dict[str, Tensor]:
        observed.append(index)
        return {}

    steps = 8 if scheduler == "pndm" else 4
    settings = {"scheduler": scheduler, "num_inference_steps": steps, "strength": 0.5}
    latents_of(video=VIDEO, **settings, callback_on_step_end=count)
    extra = {"pndm": 9, "heun": 1}.get(
        scheduler, 0
    )  # PNDM's warm-up; Heun's second evaluation of all steps but the last
    assert len(observed) == steps // 2 + extra == num_timesteps(scheduler, steps, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_less_strength_stays_nearer_to_the_video(scheduler: str, latents_of: Make, pipe: EasyAnimatePipeline) -> None:
    own = inpaint_input(video=VIDEO, strength=0.5).pixels[None]
    video = pipe.vae.encode(own).latent_dist.mode() * pipe.vae.config["scaling_factor"]
    settings = {"video": VIDEO, "scheduler": scheduler, "num_inference_steps": 16, "guidance_scale": 1.0}
    far, near = ((latents_of(**settings, strength=s) - video).abs().mean() for s in (0.75, 0.25))
    assert near < far


def test_one_frame_can_start_from_a_picture(latents_of: Make) -> None:
    one = {"num_frames": 1, "video": [RED], "strength": 0.5}
    assert latents_of(**one).shape == (1, 4, 1, 4, 6)


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({"last_image": BLUE}, "an end image needs a start image;"),
        ({"image": RED, "context_frames": [RED]}, "cannot be combined"),
        ({"image": RED, "num_frames": 1}, "num_frames 8 or more"),
        ({"context_frames": VIDEO[:5]}, "context_frames must be 1 to 4 frames, got 5"),
        ({"context_frames": []}, "context_frames must have at least one frame"),
        ({"context_frames": VIDEO[0]}, r"\[F, H, W, 3\] of uint8"),
        ({"context_frames": "start.png"}, "a list of images"),
        ({"video": VIDEO, "strength": 0.5, "image": RED}, "leave those out"),
        ({"video": VIDEO, "strength": 0.5, "context_frames": [RED]}, "leave those out"),
        ({"video": VIDEO.float(), "strength": 0.5}, "of uint8"),
        ({"video": VIDEO[:7], "strength": 0.5}, "the video has 7 frames; num_frames may be at most 1, got 8"),
        ({"video": VIDEO}, "use strength 0.7, or a mask"),
        ({"video": VIDEO, "mask": np.full((4, 4), 255, np.uint8)}, "keeps nothing of the video"),
        ({"video": VIDEO, "mask": np.zeros((4, 4), np.uint8)}, "the mask keeps every pixel"),
        ({"video": VIDEO, "mask": np.zeros((4, 4, 3), np.uint8)}, r"\[H, W\] of uint8"),
        ({"mask": RIGHT_HALF}, "a mask needs a video"),
        ({"strength": 0.5}, "strength 0.5 needs a video"),
        ({"image": RED, "strength": 0.5}, "strength 0.5 needs a video"),
        ({"video": VIDEO, "strength": 0.0}, "above 0 and at most 1, got 0.0"),
        ({"video": VIDEO, "strength": 1.1}, "above 0 and at most 1, got 1.1"),
        ({"video": VIDEO, "strength": float("nan")}, "above 0 and at most 1, got nan"),
        ({"video": VIDEO, "strength": 0.03}, "leaves 0 of 25 steps and euler needs 1; use strength 0.04 or more"),
        ({"video": VIDEO, "strength": 0.1, "scheduler": "pndm"}, "leaves 2 of 25 steps and pndm needs 4"),
        ({"scheduler": "lcm", "num_inference_steps": 51}, "between 1 and 50 for lcm"),
    ],
)
def test_what_contradicts_itself_is_refused(settings: dict[str, Any], answer: str) -> None:
    with pytest.raises(InvalidInput, match=answer):
        Generation(**{**FEW, **settings})


@pytest.mark.parametrize("start", ["image", "context_frames"])
def test_nearest_first_resizes_the_end_image_to_the_size_of_the_start(start: str) -> None:
    """By Pillow's default filter, as in the first V3 release; then both are resized to the clip by nearest."""
    noise = torch.randint(0, 256, (2, 90, 70, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)).numpy()
    first, last = Image.fromarray(noise[0, :50]), Image.fromarray(noise[1])
    one = {"image": first} if start == "image" else {"context_frames": [first, RED]}
    observed = inpaint_input(**one, last_image=last, image_resample="nearest").pixels
    resized = torch.from_numpy(np.array(last.resize((70, 50))))
    rows, columns = torch.arange(32) * 50 // 32, torch.arange(48) * 70 // 48
    expected = resized[rows][:, columns].float().permute(2, 0, 1) / 255 * 2 - 1
    assert torch.equal(observed[:, -1], expected)


def test_bicubic_resizes_the_end_image_once() -> None:
    noise = torch.randint(0, 256, (90, 70, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)).numpy()
    observed = inpaint_input(image=RED, last_image=Image.fromarray(noise)).pixels[:, -1]
    resized = np.array(Image.fromarray(noise).resize((48, 32), Image.Resampling.BICUBIC))
    assert torch.equal(observed, torch.from_numpy(resized).float().permute(2, 0, 1) / 255 * 2 - 1)
