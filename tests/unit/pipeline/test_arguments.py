"""Values of other types than declared: those with the same meaning are accepted, others are refused by name."""

import math
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation, num_timesteps
from easyanimate.pipeline.inputs.conditioning import prepare_inpaint_input

Make = Callable[..., Tensor]
FEW: dict[str, Any] = {"prompt": "a cat", "height": 32, "width": 48, "num_frames": 8}
LEVELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
IMAGE = Image.fromarray(LEVELS)
CLIP: dict[str, Any] = {"video": [IMAGE] * 8}


@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("prompt", ["a cat"], "a cat"),
        ("prompt", ("a cat",), "a cat"),
        ("negative_prompt", None, ""),
        ("negative_prompt", ["a dog"], "a dog"),
        ("negative_prompt", [None], ""),
        ("height", 32.0, 32),
        ("width", np.int64(48), 48),
        ("num_frames", np.float32(8), 8),
        ("num_frames", torch.tensor(8), 8),
        ("num_inference_steps", np.array(5), 5),
        ("guidance_scale", 7, 7.0),
        ("guidance_scale", np.float32(1.5), 1.5),
        ("clip_apply_ratio", torch.tensor(0.25), 0.25),
        ("smooth", np.bool_(False), False),
    ],
)
def test_a_value_with_the_same_meaning_is_accepted(name: str, value: Any, same: Any) -> None:
    taken = getattr(Generation(**{**FEW, name: value}), name)
    assert taken == same
    assert type(taken) is type(same)


@pytest.mark.parametrize("name", ["height", "width", "num_frames", "num_inference_steps"])
@pytest.mark.parametrize(
    "value", [None, True, "32", 32.5, math.nan, math.inf, [32], 32j, 10**400, 1e300, np.zeros(2), object()]
)
def test_what_is_no_whole_number_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must be an integer"):
        Generation(**{**FEW, name: value})


@pytest.mark.parametrize("name", ["guidance_scale", "clip_apply_ratio", "strength"])
@pytest.mark.parametrize("value", [None, True, "0.5", math.nan, math.inf, 10**400, 1j, [0.5], torch.zeros(2)])
def test_what_is_no_number_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must be "):
        Generation(**{**FEW, name: value})


@pytest.mark.parametrize("name", ["sample_posterior", "smooth", "clean_caption"])
@pytest.mark.parametrize("value", [None, "yes", 1, 0.0, np.zeros(2, bool)])
def test_what_is_no_truth_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must be True or False"):
        Generation(**{**FEW, name: value})


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
@pytest.mark.parametrize(
    "value", [7, b"a cat", [], ["a", "b"], {"a": 1}, [["a cat"]], "a cat \ud83d", "\udc80", Path("a"), math.nan]
)
def test_what_is_no_single_text_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} "):
        Generation(**{**FEW, name: value})


def test_a_prompt_of_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="prompt must be a text, got None"):
        Generation(**{**FEW, "prompt": None})


@pytest.mark.parametrize("name", ["scheduler", "image_resample"])
@pytest.mark.parametrize("value", [None, 3, ["euler"], {}, object(), np.zeros(2)])
def test_a_name_that_is_no_text_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must be one of"):
        Generation(**{**FEW, name: value})


@pytest.mark.parametrize("form", [LEVELS, torch.from_numpy(LEVELS), [IMAGE], (IMAGE,), [LEVELS]])
def test_a_start_image_is_the_same_in_all_its_forms(form: Any) -> None:
    inputs = prepare_inpaint_input(Generation(**FEW, image=form, last_image=form))
    assert torch.equal(inputs.pixels, prepare_inpaint_input(Generation(**FEW, image=IMAGE, last_image=IMAGE)).pixels)


@pytest.mark.parametrize("name", ["image", "last_image"])
@pytest.mark.parametrize(
    "value",
    [
        "start.png",
        Path("start.png"),
        b"png",
        7,
        [],
        [IMAGE, IMAGE],
        LEVELS / 255,
        torch.zeros(1, 3, 8, 8),
        LEVELS[..., 0],
        LEVELS[None],
        LEVELS.transpose(2, 0, 1),
        LEVELS[:0],
        Image.new("F", (4, 4)),
        Image.new("RGB", (0, 4)),
    ],
)
def test_what_is_no_picture_is_refused_by_name(name: str, value: Any) -> None:
    start = {"image": IMAGE} if name == "last_image" else {}
    with pytest.raises(InvalidInput, match=f"^{name} must "):
        Generation(**{**FEW, **start, name: value})


def test_a_truncated_image_file_is_refused(tmp_path: Path) -> None:
    IMAGE.save(tmp_path / "whole.png")
    (tmp_path / "part.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    with Image.open(tmp_path / "part.png") as image, pytest.raises(InvalidInput, match="image cannot be read"):
        Generation(**FEW, image=image)


@pytest.mark.parametrize("value", ["mask.png", LEVELS, LEVELS[..., 0] > 9, [], 3, torch.zeros(4, 4), LEVELS[:0, :, 0]])
def test_what_is_no_mask_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^mask must be"):
        Generation(**FEW, **CLIP, mask=value)


@pytest.mark.parametrize("wrap", [list, tuple])
def test_a_mask_in_a_list_of_one_is_that_mask(wrap: Callable[[Any], Any]) -> None:
    levels = np.zeros((32, 48), np.uint8)
    levels[:, 24:] = 255
    new = prepare_inpaint_input(Generation(**FEW, **CLIP, mask=levels)).mask
    assert torch.equal(prepare_inpaint_input(Generation(**FEW, **CLIP, mask=wrap([Image.fromarray(levels)]))).mask, new)


@pytest.mark.parametrize(
    "frames", [7, "clip.mp4", IMAGE, [IMAGE, "b.png"], [LEVELS / 255], {1: IMAGE}, LEVELS, np.zeros((2, 0, 4, 3))]
)
@pytest.mark.parametrize("name", ["video", "context_frames"])
def test_what_are_no_frames_is_refused_by_name(name: str, frames: Any) -> None:
    with pytest.raises(InvalidInput, match=f"{name} must be "):
        Generation(**{**FEW, "num_frames": 8, name: frames})


def test_a_list_of_arrays_is_a_list_of_images() -> None:
    pixels = [prepare_inpaint_input(Generation(**FEW, context_frames=[form, form])).pixels for form in (LEVELS, IMAGE)]
    assert torch.equal(*pixels)


@pytest.mark.parametrize("seed", [np.int64(7), torch.tensor(7), [7], [torch.Generator().manual_seed(7)]])
def test_a_seed_of_another_type_is_the_same_seed(seed: Any) -> None:
    assert torch.equal(Draws.of(seed).normal([3], "noise"), Draws.from_seed(7).normal([3], "noise"))


@pytest.mark.parametrize("seed", ["7", 7.0, True, [], [1, 2], np.random.default_rng(7), np.arange(2), np.float64(7)])
def test_what_is_no_generator_is_refused(seed: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^generator must be"):
        Draws.of(seed)


def test_a_seed_far_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidInput, match="seed must be between"):
        Draws.of(10**5000)


def test_the_steps_are_counted_for_a_whole_float_and_refused_for_a_text() -> None:
    assert num_timesteps("heun", 10.0) == 19  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="num_inference_steps must be an integer"):
        num_timesteps("heun", "10")  # type: ignore[arg-type]


def test_a_call_accepts_lists_of_one_and_numbers_of_numpy(latents_of: Make) -> None:
    settings = {"height": np.int64(32), "num_frames": 8.0, "num_inference_steps": np.array(2), "negative_prompt": None}
    assert torch.equal(latents_of(["a red circle"], **settings, generator=[0]), latents_of())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_videos_per_prompt", 2),
        ("num_images_per_prompt", True),
        ("prompt_embeds", torch.zeros(1)),
        ("latents", torch.zeros(1, 4, 2, 4, 6)),
        ("timesteps", [9, 5]),
        ("eta", 0.5),
        ("callback", print),
        ("callback_steps", 2),
        ("seed", 3),
        ("callback_on_phase", 3),
        ("return_dict", None),
    ],
)
def test_an_argument_of_other_pipelines_is_refused_by_name(name: str, value: Any, latents_of: Make) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} (is not an argument of this pipeline: |must be )"):
        latents_of(**{name: value})


def test_an_argument_that_no_pipeline_has_is_an_error_of_python(latents_of: Make) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'promt'"):
        latents_of(promt="a cat")


def test_arguments_of_other_pipelines_that_change_nothing_are_accepted(latents_of: Make) -> None:
    neutral = {"num_videos_per_prompt": 1, "eta": 0.0, "latents": None, "prompt_embeds": None, "callback_steps": None}
    assert torch.equal(latents_of(**neutral), latents_of())


def test_without_a_dict_the_frames_are_all_of_a_tuple(pipe: EasyAnimatePipeline) -> None:
    settings: dict[str, Any] = {**FEW, "num_inference_steps": 1, "generator": 0, "output_type": "latent"}
    (frames,) = pipe(**settings, return_dict=False)
    assert torch.equal(frames, pipe(**settings).frames)


def test_a_random_seed_is_drawn_from_31_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda limit: limit - 1)
    assert Draws.from_seed(None).generator.initial_seed() == 2**31 - 1
