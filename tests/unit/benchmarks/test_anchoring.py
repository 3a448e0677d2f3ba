"""The colours of a window are those of the frames it continues from; moving objects and other views change nothing."""

import torch
from torch import Tensor

from benchmarks.drift.anchoring import Anchoring, match_channels
from easyanimate.frame_statistics import drift_of, frame_statistics


def scene(left: int = 4) -> Tensor:
    """Four frames [4, 32, 32, 3] of a bright square before a background with a slope."""
    frames = torch.linspace(60, 120, 32).view(1, 1, 32, 1).expand(4, 32, 32, 3).clone()
    frames[:, 8:16, left : left + 8] = torch.tensor([250.0, 20.0, 20.0])
    return frames.round().to(torch.uint8)


def tinted(frames: Tensor) -> Tensor:
    return (frames * torch.tensor([1.04, 1.0, 0.97]) + torch.tensor([-3.0, 4.0, 2.0])).round().clamp(0, 255).byte()


def window(anchoring: Anchoring, frames: Tensor, context: Tensor | None, pieces: int = 4) -> Tensor:
    return torch.cat(list(anchoring.window(iter(frames.split(pieces)), context, 4)))


def test_a_tint_is_removed() -> None:
    gain, offset = match_channels(tinted(scene()), scene())
    restored = tinted(scene()) * gain + offset
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


def test_a_window_gets_the_colours_of_the_frames_it_continues_from() -> None:
    frames = torch.cat([scene(), scene(8)])
    assert (window(Anchoring(scene(), is_on=True), tinted(frames), scene()).int() - frames.int()).abs().max() <= 2


def test_the_frames_that_flow_into_a_window_get_the_colours_of_the_anchor() -> None:
    context = Anchoring(scene(), is_on=True).context_frames(tinted(scene()))
    assert context is not None
    assert (context.int() - scene().int()).abs().max() <= 2


def test_the_first_frames_of_a_shot_are_its_anchor() -> None:
    anchoring, frames = Anchoring(is_on=True), torch.cat([scene(), scene(8)])
    assert torch.equal(window(anchoring, frames, None), frames)
    assert anchoring.anchor is not None
    assert torch.equal(anchoring.anchor, frames[:4])
    window(anchoring, tinted(frames), scene())
    assert torch.equal(anchoring.anchor, frames[:4])
    anchoring.begin_shot()
    assert anchoring.anchor is None


def test_a_window_does_not_depend_on_its_pieces() -> None:
    frames = tinted(torch.cat([scene(), scene(8)]))
    whole = window(Anchoring(scene(), is_on=True), frames, scene(), pieces=8)
    assert torch.equal(window(Anchoring(scene(), is_on=True), frames, scene(), pieces=1), whole)


def test_nothing_is_changed_without_anchoring() -> None:
    anchoring = Anchoring(scene())
    assert torch.equal(window(anchoring, tinted(scene()), scene()), tinted(scene()))
    assert anchoring.context_frames(tinted(scene())).equal(tinted(scene()))  # type: ignore[union-attr]
    assert anchoring.anchor is None


def drift_after_windows(anchoring: Anchoring, count: int) -> tuple[float, float]:
    """The drift of mean, in levels, and of the variance, for a model that tints each window a little more."""
    tail, first, noise = None, scene(), torch.Generator().manual_seed(1)
    frames = first
    for _ in range(count + 1):
        context = anchoring.context_frames(tail)
        generated = torch.cat([scene() if context is None else context] * 2).float()
        generated = generated * torch.tensor([1.01, 1.0, 0.99]) + torch.tensor([1.5, -1.0, 0.5])
        generated += torch.randn(generated.shape, generator=noise)
        frames = window(anchoring, generated.round().clamp(0, 255).byte(), context)
        first = frames if tail is None else first
        tail = frames[4:]
    drift = drift_of(frame_statistics(frames), frame_statistics(first))
    assert drift.variance is not None
    return 255 * drift.mean, abs(drift.variance)


def test_fifty_anchored_windows_drift_less_than_a_quarter_of_ten_others() -> None:
    mean, variance = drift_after_windows(Anchoring(is_on=True), 50)
    without_mean, without_variance = drift_after_windows(Anchoring(), 10)
    assert without_mean > 10
    assert mean < without_mean / 4
    assert variance < without_variance
