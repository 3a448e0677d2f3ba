"""The procedural set: random scenes, drawn clips and captions."""

from dataclasses import replace
from itertools import product
from random import Random

import pytest
import torch

from easyanimate.training.shapes import Scene, World, caption, draw, is_held_out, sample_scene
from easyanimate.training.shapes.captions import caption_sentences
from easyanimate.training.shapes.scene import COLOURS, MOTIONS, SHAPES, UNITS

PLAIN = Scene("circle", "red", "black", "right", radius=12, velocity=(1.5, 0.0), paint=COLOURS["red"])


def test_the_same_random_state_draws_the_same_scene():
    first, second = (sample_scene(World(), Random(3), frames=16) for _ in range(2))
    assert first == second != sample_scene(World(), Random(4), frames=16)


def test_an_eighth_of_all_combinations_is_held_out():
    combinations = list(product(SHAPES, COLOURS, ("left", "right", "up", "down", "still")))
    held_out = [which for which in combinations if is_held_out(*which)]
    assert 0.1 < len(held_out) / len(combinations) < 0.15
    for position in range(3):  # every word is in the training set and in the held-out set
        assert {which[position] for which in held_out} == {which[position] for which in combinations}


@pytest.mark.parametrize("held_out", [True, False])
def test_a_world_contains_held_out_combinations_only_or_none(held_out):
    random = Random(0)
    scenes = [sample_scene(World(held_out=held_out), random, frames=16) for _ in range(300)]
    assert all(is_held_out(scene.shape, scene.colour, scene.motion) is held_out for scene in scenes)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (128, 64)])
def test_a_scene_that_keeps_inside_does_not_touch_the_border(height, width):
    random, world = Random(1), World(keeps_inside=True, sizes=("small",), speeds=("slowly",), motions=MOTIONS)
    scenes = [sample_scene(world, random, frames=16, height=height, width=width) for _ in range(60)]
    clips = draw(scenes, frames=16, height=height, width=width)
    ground = torch.tensor([scene.ground for scene in scenes])[:, :, None, None] * 2 - 1
    for border in (clips[..., 0, :], clips[..., -1, :], clips[..., :, 0], clips[..., :, -1]):
        assert torch.allclose(border, ground.expand_as(border), atol=1e-5)


def test_a_scene_is_the_same_at_every_resolution():
    small, large = draw([PLAIN], frames=8), draw([PLAIN], frames=8, height=128, width=128)
    shrunk = torch.nn.functional.avg_pool3d(large, (1, 2, 2))
    assert (shrunk - small).abs().mean() < 0.01


def test_a_shape_moves_by_its_velocity():
    clip = draw([PLAIN], frames=9)[0, 0]  # red [F, H, W]
    weight = (clip + 1).clamp_min(0)
    columns = torch.arange(64) + 0.5
    middle = (weight * columns).sum((1, 2)) / weight.sum((1, 2)) - UNITS / 2
    assert torch.allclose(middle.diff(), torch.full((8,), 1.5), atol=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_outline_is_hollow(shape):
    scene = replace(PLAIN, shape=shape, velocity=(0.0, 0.0), radius=16.0)
    filled, outlined = (draw([replace(scene, style=style)], frames=1)[0, 0, 0] for style in ("filled", "outlined"))
    assert filled[32, 32] > 0.5
    assert outlined[32, 32] < -0.5
    assert outlined.max() > 0.5


def test_captions_contain_each_word_once():
    random = Random(2)
    for _ in range(100):
        scene = sample_scene(World(motions=MOTIONS), random, frames=16)
        words = caption(scene, random).replace(",", "").split()
        for word in (scene.shape, scene.size, scene.speed):
            assert words.count(word) == 1 if word else True
        assert scene.colour in words
        assert scene.background in words


def test_the_caption_of_an_image_has_no_motion():
    assert caption(PLAIN, is_image=True) == "a red circle on a black background"


def test_the_caption_sentences_contain_all_words():
    words = {word for sentence in caption_sentences() for word in sentence.replace(",", "").split()}
    assert {*SHAPES, *COLOURS, "left", "right", "slowly", "quickly", "small", "large", "growing"} <= words


def test_an_unknown_word_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match=r"shapes must be some of circle, square, triangle, cross"):
        World(shapes=("star",))


def test_words_without_a_possible_scene_are_refused():
    held_out = {"shapes": ("circle",), "colours": ("red",), "motions": ("left",)}
    with pytest.raises(ValueError, match="no scene can be made of these words"):
        World(**held_out, held_out=not is_held_out("circle", "red", "left"))
    with pytest.raises(ValueError, match="no scene can be made of these words"):
        World(colours=("blue",), backgrounds=("blue",))


def test_a_share_of_the_scenes_is_outlined():
    styles = [sample_scene(World(outlined=0.3), Random(i), frames=8).style for i in range(200)]
    assert 30 < styles.count("outlined") < 90
    assert set(styles) == {"filled", "outlined"}


@pytest.mark.parametrize("when", [0.0, 0.5, 1.0])
def test_a_centred_scene_is_in_the_middle_at_its_time(when):
    world = World(centred=1.0, centred_at=when, motions=("left", "right", "up", "down"))
    for seed in range(20):
        scene = sample_scene(world, Random(seed), frames=16)
        position = [start + speed * when * 15 for start, speed in zip(scene.start, scene.velocity, strict=True)]
        assert max(map(abs, position)) <= 5.0
