"""Sizes that follow from inputs, and the warnings about inputs that are scaled, stretched or shown at another rate."""

from fractions import Fraction
from typing import Any

import pytest

from jobs.model.model_card import ModelCard
from service.inputs.media import DecodedImage
from service.inputs.resolver import IMAGE_FILES, InputImages
from service.inputs.source_video import SourceVideo
from service.schemas.requests.create import CreateVideo
from service.submission.dimensions import rate_warnings, read_size
from worker.models.cards import published_card

Size = tuple[int, int]


def images_of(**sizes: Size) -> InputImages:
    return InputImages({IMAGE_FILES[name]: DecodedImage(b"a PNG", *size, ()) for name, size in sizes.items()})


def body_of(images: dict[str, Size], **fields: Any) -> CreateVideo:
    return CreateVideo(prompt="a", **dict.fromkeys(images, "data:"), **fields)


def source_of(size: Size, fps: Fraction = Fraction(24)) -> SourceVideo:
    return SourceVideo("video", *size, Fraction(2), fps)


@pytest.mark.parametrize("name", ["image", "input_reference"])
def test_a_start_image_of_another_shape_than_the_video_is_a_warning(card: ModelCard, name: str) -> None:
    images = {name: (1080, 1920)}
    size, warnings = read_size(body_of(images), card, None, images_of(**images))
    assert size == (128, 128)
    assert warnings == (
        f"{name}: 1080x1920 is stretched to 128x128, another shape; "
        "send resize_to_image without a size to keep its shape",
    )


@pytest.mark.parametrize("image", [(128, 128), (4000, 4000), (500, 520), (520, 500)])
def test_an_image_of_nearly_the_shape_of_the_video_is_no_warning(card: ModelCard, image: Size) -> None:
    images = {"image": image}
    assert read_size(body_of(images), card, None, images_of(**images)) == ((128, 128), ())


def test_an_image_of_another_shape_than_the_requested_size_is_a_warning(card: ModelCard) -> None:
    images = {"image": (400, 400)}
    size, (warning,) = read_size(body_of(images, size="160x96"), card, None, images_of(**images))
    assert size == (160, 96)
    assert warning.startswith("image: 400x400 is stretched to 160x96")


def test_resize_to_image_keeps_the_shape_without_a_warning() -> None:
    images, card = {"image": (400, 800)}, published_card("model", 512)
    assert read_size(body_of(images, resize_to_image=True), card, None, images_of(**images)) == ((352, 704), ())


def test_resize_to_image_with_an_image_beyond_its_shapes_is_a_warning(card: ModelCard) -> None:
    wide = card.model_copy(update={"min_side": 32})
    images = {"image": (10000, 100)}
    _, (warning,) = read_size(body_of(images, resize_to_image=True), wide, None, images_of(**images))
    assert warning == "image: 10000x100 is stretched to 256x64, another shape; resize_to_image chose this size"


def test_each_image_of_another_shape_has_its_own_warning(card: ModelCard) -> None:
    images = {"image": (640, 360), "last_image": (360, 640)}
    _, warnings = read_size(body_of(images), card, None, images_of(**images))
    assert [warning.partition(" is ")[0] for warning in warnings] == ["image: 640x360", "last_image: 360x640"]
    assert all("resize_to_image" in warning for warning in warnings)


def test_a_mask_of_another_shape_than_the_source_video_is_a_warning(card: ModelCard) -> None:
    images = {"mask": (64, 64)}
    size, (warning,) = read_size(body_of(images), card, source_of((192, 96)), images_of(**images))
    assert size == (192, 96)
    assert warning == "mask: 64x64 is stretched to 192x96, another shape; send one of the video's shape"


def test_a_source_video_keeps_its_shape_in_the_size_of_the_model(card: ModelCard) -> None:
    size, (warning,) = read_size(body_of({}), card, source_of((1280, 720)), InputImages({}))
    assert size == (336, 192)
    assert warning == "size: the video's 1280x720 became 336x192, the nearest size of easyanimate-v3-tiny"


def test_a_source_video_whose_shape_the_model_cannot_generate_is_a_second_reason(card: ModelCard) -> None:
    _, (warning,) = read_size(body_of({}), card, source_of((5000, 100)), InputImages({}))
    assert warning.endswith("; its shape changes")


def test_a_requested_size_of_another_shape_than_the_source_video_is_a_warning(card: ModelCard) -> None:
    size, (warning,) = read_size(body_of({}, size="96x96"), card, source_of((192, 96)), InputImages({}))
    assert size == (96, 96)
    assert warning.startswith("video: 192x96 is stretched to 96x96")


@pytest.mark.parametrize(("fps", "change"), [(Fraction(30000, 1001), "left out"), (Fraction(12), "repeated")])
def test_a_source_video_of_another_rate_is_a_warning(card: ModelCard, fps: Fraction, change: str) -> None:
    (warning,) = rate_warnings(card, source_of((64, 64), fps))
    assert warning.startswith(f"fps: video has {float(fps):.4g} frames per second")
    assert warning.endswith(f"frames are {change}")


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(24000, 1001), Fraction(2399, 100)])
def test_a_source_video_whose_frames_are_all_shown_once_is_no_warning(card: ModelCard, fps: Fraction) -> None:
    assert rate_warnings(card, source_of((64, 64), fps)) == rate_warnings(card, None) == ()
