"""A still scene keeps the picture of its first window; objects that move or appear are left as they are."""

import pytest
import torch
from torch import Tensor

from easyanimate.pipeline.windows.still_scene import StillScene, picture_of, picture_of_source

CYAN = torch.tensor([20.0, 220.0, 230.0])


def scene(*lefts: float, size: int = 16, top: int = 16) -> Tensor:
    """Frames [F, 64, 64, 3], uint8, of a square at these places before a background with a slope."""
    frames = torch.linspace(60, 120, 64).view(1, 1, 64, 1).expand(len(lefts), 64, 64, 3).clone()
    for frame, left in zip(frames, lefts, strict=True):
        frame[top : top + size, int(left) : int(left) + size] = CYAN
    return frames.round().to(torch.uint8)


STANDING = scene(*[24] * 12)
PICTURE = picture_of(STANDING)


def still(picture: Tensor = PICTURE) -> StillScene:
    return StillScene(picture, is_on=True)


def test_a_scene_is_still_if_nothing_moves_by_three_pixels() -> None:
    assert torch.equal(PICTURE, STANDING[0].float())
    assert picture_of(scene(*[24] * 6, *[25] * 6)).numel()
    assert not picture_of(scene(*[24] * 6, *[30] * 6)).numel()
    assert not picture_of(scene(*[20 + i / 3 for i in range(12)])).numel()  # slowly
    assert not picture_of(scene(*[8, 24, 40] * 4)).numel()  # there and back


def test_a_grown_shape_gets_its_size_again() -> None:
    grown = scene(*[22] * 12, size=19, top=15)
    assert not torch.equal(grown, STANDING)
    assert torch.equal(still().window(grown, 4), STANDING)
    assert torch.equal(still().context_frames(grown[-4:]), STANDING[:4])  # type: ignore[arg-type]


def test_a_window_keeps_its_changes_in_time() -> None:
    flicker = torch.tensor([3.0, -3.0] * 6).view(-1, 1, 1, 1)
    tinted = (STANDING * 0.95 + 8 + flicker).round().to(torch.uint8)
    corrected = still().window(tinted, 4).float()
    assert (corrected[4:].mean(0) - STANDING[0]).abs().max() < 0.7
    assert ((corrected[1:] - corrected[:-1]) - (tinted[1:].float() - tinted[:-1].float())).abs().max() <= 1


def test_another_object_stays_as_the_model_has_it() -> None:
    with_object = STANDING.clone()
    with_object[6:, 40:56, 4:20] = torch.tensor([250, 240, 10], dtype=torch.uint8)
    corrected = still().window(with_object, 4)
    assert torch.equal(corrected[6:, 40:56, 4:20], with_object[6:, 40:56, 4:20])
    assert torch.equal(corrected[:6, 40:56, 4:20], STANDING[:6, 40:56, 4:20])


def test_a_scene_that_moves_is_not_changed() -> None:
    moving = StillScene(is_on=True)
    moving.set_picture(scene(*range(8, 56, 4)))
    assert (moving.wants_window, moving.is_still) == (False, False)
    assert moving.window(STANDING, 4) is STANDING
    assert moving.context_frames(STANDING) is STANDING


def test_each_shot_has_a_picture_of_its_own() -> None:
    kept = StillScene(is_on=True)
    assert (kept.wants_window, kept.is_still) == (True, False)
    kept.set_picture(STANDING)
    kept.set_picture(scene(*[4] * 12))
    assert torch.equal(kept.picture, PICTURE)  # type: ignore[arg-type]
    kept.begin_shot()
    assert kept.wants_window


def test_nothing_is_kept_unless_it_is_on() -> None:
    off = StillScene(PICTURE)
    off.set_picture(STANDING)
    assert (off.picture, off.wants_window) == (None, False)
    assert off.window(STANDING, 4) is STANDING


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_short_videos_have_a_picture(frames: int) -> None:
    assert picture_of(STANDING[:frames]).shape == (64, 64, 3)


def test_a_longer_window_is_corrected_like_a_short_one() -> None:
    grown = scene(*[22] * 40, size=19, top=15)
    assert torch.equal(still().window(grown, 4), STANDING[:1].expand(40, -1, -1, -1))


def with_patch(levels: float, size: int = 16) -> Tensor:
    """The standing scene, with a square of the background that is lighter by so many levels in all frames."""
    frames = STANDING.float()
    frames[:, 44 : 44 + size, 4 : 4 + size] += levels
    return frames.to(torch.uint8)


@pytest.mark.parametrize(("levels", "is_other"), [(60, False), (70, True)])
def test_a_difference_of_more_than_64_levels_is_another_object(levels: float, is_other: bool) -> None:
    frames = with_patch(levels)
    assert torch.equal(still().window(frames, 4), frames if is_other else STANDING)


@pytest.mark.parametrize(("size", "is_other"), [(4, False), (5, True)])
def test_a_difference_of_at_least_five_pixels_is_another_object(size: int, is_other: bool) -> None:
    frames = with_patch(100, size)
    assert torch.equal(still().window(frames, 4), frames if is_other else STANDING)


def test_a_change_in_time_is_limited_to_24_levels() -> None:
    frames = with_patch(40)
    frames[::2] = with_patch(-40)[::2]
    changes = (still().window(frames, 0).float() - PICTURE).abs()
    assert changes.max() == 24


@pytest.mark.parametrize(("levels", "is_kept"), [(11, True), (13, False)])
def test_a_video_that_ends_in_another_scene_has_no_picture(levels: int, is_kept: bool) -> None:
    assert bool(picture_of_source(STANDING, STANDING + levels).numel()) == is_kept
