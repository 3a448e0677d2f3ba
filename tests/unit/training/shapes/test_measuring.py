from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from easyanimate.training.shapes import World, describe_scene, draw, measure_clip, overlap, sample_scene
from easyanimate.training.shapes.scene import MOTIONS, Scene


def drawn(scene, *, frames=16, height=64, width=64):
    return as_frames(draw([scene], frames=frames, height=height, width=width))


def as_frames(clips):
    return ((clips[0] + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 3, 0).numpy()


def degraded(frames, generator, *, blur, noise):
    soft = np.stack([np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(blur))) for frame in frames])
    return (soft + generator.normal(0, 255 * noise, soft.shape)).clip(0, 255).round().astype(np.uint8)


def shares(world, degrade=lambda frames: frames, *, count, frames=16, **size):
    """The share of correctly measured values by attribute, over random scenes."""
    right, total, random = Counter(), Counter(), Random(7)
    for _ in range(count):
        scene = sample_scene(world, random, frames=frames, **size)
        measured = measure_clip(degrade(drawn(scene, frames=frames, **size)))
        for name, word in {**describe_scene(scene), "style": scene.style}.items():
            total[name] += 1
            right[name] += getattr(measured, name) == word
    assert set(total) == {"colour", "background", "shape", "style", "motion", "speed", "size"}
    return {name: right[name] / total[name] for name in total}


@pytest.mark.parametrize(
    ("count", "style", "geometry"),
    [
        (60, "filled", {}),
        (60, "outlined", {}),
        (40, "filled", {"frames": 8}),
        (20, "filled", {"frames": 28, "height": 64, "width": 96}),
        (15, "outlined", {"frames": 24, "height": 128, "width": 128}),
    ],
)
def test_the_attributes_of_a_drawn_clip_are_measured_from_its_frames(count, style, geometry):
    measured = shares(World(motions=MOTIONS, style=style), count=count, **geometry)
    assert min(measured.values()) >= 0.99, measured


@pytest.mark.slow
@pytest.mark.parametrize(("blur", "noise"), [(1.0, 0.02), (3.0, 0.04)])
def test_blur_and_noise_do_not_change_the_measured_attributes(blur, noise):
    generator = np.random.default_rng(3)
    world = World(motions=MOTIONS) if blur == 1.0 else World()
    measured = shares(world, lambda frames: degraded(frames, generator, blur=blur, noise=noise), count=60)
    assert min(measured.values()) >= 0.99, measured


def test_other_frames_have_other_attributes():
    scene = sample_scene(World(motions=("left",), speeds=("slowly",), sizes=("small",)), Random(1), frames=16)
    frames = drawn(scene)
    assert measure_clip(frames).motion == "left"
    assert measure_clip(frames[::-1]).motion == "right"
    assert measure_clip(frames.transpose(0, 2, 1, 3)).motion == "up"
    assert measure_clip(frames[::4]).speed == "quickly"
    assert measure_clip(255 - frames).colour != measure_clip(frames).colour


def test_pace_and_position_are_in_units_at_every_resolution():
    scene = Scene("square", "red", "black", "right", start=(-20.0, 5.0), velocity=(1.5, 0.0), paint=(0.87, 0.15, 0.15))
    for side in (64, 128):
        measured = measure_clip(drawn(scene, height=side, width=side))
        assert measured.pace == pytest.approx(1.5, abs=0.05)
        assert measured.radius == pytest.approx(12, abs=0.5)
        assert measured.centres == pytest.approx(np.array([(-20 + 1.5 * i, 5.0) for i in range(16)]), abs=0.5)


def test_a_shape_that_leaves_the_frame_is_tracked_while_it_is_visible():
    scene = Scene("triangle", "red", "black", "right", start=(15.0, 0.0), velocity=(2.3, 0.0), paint=(0.87, 0.15, 0.15))
    measured = measure_clip(drawn(scene, frames=24))
    assert (measured.shape, measured.motion, measured.speed) == ("triangle", "right", "quickly")
    assert measured.visible_share < 1
    assert np.isnan(measured.centres[-1]).all()


@pytest.mark.parametrize(("shape", "frames"), [("noise", 16), ("noise", 1), ("plain", 16), ("slope", 4)])
def test_noise_is_not_measured_as_a_shape(shape, frames):
    images = {
        "noise": np.random.default_rng(0).integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8),
        "plain": np.full((frames, 64, 64, 3), 128, np.uint8),
        "slope": np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[:, None], (frames, 64, 64, 3)),
    }[shape]
    measured = measure_clip(images)
    assert (measured.shape, measured.style, measured.background) == (None, None, "gray")
    assert shape != "plain" or (measured.colour, measured.motion, measured.visible_share) == (None, None, 0.0)


def test_an_image_has_no_motion():
    scene = sample_scene(World(), Random(2), frames=1)
    measured = measure_clip(drawn(scene, frames=1))
    assert all(getattr(measured, name) == word for name, word in describe_scene(scene, is_image=True).items())
    assert (measured.motion, measured.speed) == (None, None)


def test_frames_of_another_type_are_refused():
    with pytest.raises(ValueError, match=r"uint8 \[F, H, W, 3\]"):
        measure_clip(np.zeros((16, 64, 64, 3), np.float32))


def test_a_turning_circle_is_measured_as_still():
    scene = sample_scene(World(shapes=("circle",), motions=("turning",)), Random(0), frames=16)
    assert describe_scene(scene)["motion"] == "still"
    assert measure_clip(drawn(scene)).motion == "still"


def test_the_overlap_of_two_clips_is_that_of_their_shapes():
    def clip(**changes):
        scene = Scene("circle", "red", "black", "still", radius=12.0, paint=(1.0, 0.0, 0.0))
        return drawn(replace(scene, **changes), frames=2)

    assert overlap(clip(), clip()) == 1
    assert 0.7 < overlap(clip(), clip(shape="square")) < 0.95
    assert overlap(clip(start=(-16.0, 0.0)), clip(start=(16.0, 0.0))) == 0
