"""The corrections of the drift benchmark remove changes of the model, and leave moving objects alone."""

import torch
from torch import Tensor

from benchmarks.drift.corrections import held, match_channels, with_colours_of, without_error
from benchmarks.drift.shapes import content_of

CYAN = torch.tensor([20.0, 220.0, 230.0])


def scene(left: int = 4, size: int = 8) -> Tensor:
    """Four frames [4, 32, 32, 3] of a bright square before a background with a slope."""
    frames = torch.linspace(60, 120, 32).view(1, 1, 32, 1).expand(4, 32, 32, 3).clone()
    frames[:, 8 : 8 + size, left : left + size] = CYAN
    return frames.round()


def tinted(frames: Tensor) -> Tensor:
    return (frames * torch.tensor([1.04, 1.0, 0.97]) + torch.tensor([-3.0, 4.0, 2.0])).round().clamp(0, 255)


def test_a_tint_is_removed() -> None:
    restored = with_colours_of(tinted(scene()), tinted(scene()), scene())
    assert (restored - scene()).abs().mean() < 0.5


def test_a_moved_object_changes_no_colours() -> None:
    gain, offset = match_channels(scene(left=20), scene())
    assert torch.allclose(gain, torch.ones(3, dtype=torch.float64), atol=0.02)
    assert torch.allclose(offset, torch.zeros(3, dtype=torch.float64), atol=2)


def test_another_view_changes_nothing() -> None:
    gain, offset = match_channels(255 - scene(), scene())
    assert torch.equal(gain, torch.ones(3, dtype=torch.float64))
    assert not offset.any()


def test_a_plain_image_gets_an_offset_and_no_gain() -> None:
    gain, offset = match_channels(torch.full((4, 8, 8, 3), 100), torch.full((4, 8, 8, 3), 103))
    assert gain.tolist() == [1, 1, 1]
    assert offset.tolist() == [3, 3, 3]


def test_still_pixels_are_held_and_a_moved_object_is_not() -> None:
    frames = tinted(scene(left=18))
    kept = held(frames, scene())
    assert (kept - scene())[:, :, :3].abs().max() < 1  # background that both have
    assert torch.equal(kept[:, 8:16, 18:26], frames[:, 8:16, 18:26])  # where the object is now


def test_a_grown_still_shape_gets_its_size_again() -> None:
    window = torch.cat([scene(size=10), scene(size=10)])
    corrected = without_error(window, scene())
    assert torch.equal(corrected[4:], scene())


def test_a_moving_object_stays_where_the_model_has_it() -> None:
    window = torch.cat([scene(left=4), scene(left=20)])
    corrected = without_error(tinted(window), tinted(window)[:4] + 2.0)
    error = corrected[4:] - tinted(window)[4:]
    assert error[:, 8:16, 20:28].abs().max() == 0
    assert (error[:, 20:] == 2).all()


def test_the_content_of_a_window_is_its_shape_and_its_motion() -> None:
    plain = torch.full((4, 32, 32, 3), 100, dtype=torch.uint8)
    plain[:, 8:16, 8:16] = CYAN.to(torch.uint8)
    content = content_of(plain)
    assert (content.area, content.background, content.motion) == (1 / 16, (100.0, 100.0, 100.0), 0.0)
    assert content.shape == (20.0, 220.0, 230.0)
    moved = torch.cat([plain, plain.roll(8, dims=2)])
    assert content_of(moved).motion > 0
    assert content_of(plain[:, :4]).shape == (0.0, 0.0, 0.0)
