"""A model that obeys gets full marks from every part, and one that fails in one thing loses exactly that."""

from dataclasses import replace

import numpy as np
import pytest

from easyanimate.evaluation import METRIC_GROUPS, by_group, plan_tasks
from easyanimate.evaluation.seams import changes
from easyanimate.evaluation.task import psnr
from easyanimate.training.shapes import is_held_out
from easyanimate.training.shapes.scene import COLOURS


def shares(summary):
    return {name: share.share for name, share in summary.attributes.items()}


def test_perfect_obedience_gets_full_marks_in_every_part(evaluated):
    summaries = by_group(evaluated([part for part in METRIC_GROUPS if part != "lora"]))
    for part, groups in summaries.items():
        for summary in groups.values():
            assert set(shares(summary).values()) == {1.0}, (part, shares(summary))
            assert summary.everything.share == 1.0
    numbers = {part: groups.get("", None) and groups[""].numbers for part, groups in summaries.items()}
    assert numbers["i2v"]["first_frame_psnr"].least == 99
    assert numbers["i2v"]["misplaced"].most < 0.01
    assert numbers["ends"]["last_frame_psnr"].least == 99
    assert numbers["vae"]["psnr"].least == 99
    assert numbers["continuation"]["no_jump"].mean == numbers["continuation"]["motion_after"].mean == 1
    assert numbers["prompts"]["other"].mean == 1
    assert set(summaries["samplers"]) == {"euler", "ddim", "pndm"}


def another_colour(scene):
    name = next(name for name in ("purple", "orange") if name != scene.colour)
    return replace(scene, paint=COLOURS[name])


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (another_colour, "colour"),
        (lambda scene: replace(scene, shape="cross" if scene.shape == "circle" else "circle"), "shape"),
        (lambda scene: replace(scene, radius=13.0 + 4 * (scene.size == "small") - 4 * (scene.size == "large")), "size"),
        (lambda scene: replace(scene, velocity=(0.0, 0.0) if scene.motion != "still" else (1.0, 0.0)), "motion"),
    ],
)
def test_who_fails_in_one_thing_loses_exactly_that(evaluated, change, lost):
    summary = by_group(evaluated(["t2v"], change))["t2v"][""]
    found = shares(summary)
    assert found.pop(lost) == 0
    found.pop("speed" if lost == "motion" else "", None)  # who stands still has none
    assert set(found.values()) == {1.0}, found


def test_a_lora_is_told_by_its_style_at_each_strength(evaluated):
    groups = by_group(evaluated(["lora"]))["lora"]
    assert {group: summary.attributes["style"].share for group, summary in groups.items()} == {"0": 0, "0.5": 0, "1": 1}


def test_only_combinations_kept_from_training_are_asked_for(setup):
    scenes = [task.question.scene for task in plan_tasks(tuple(METRIC_GROUPS), setup)]
    assert all(is_held_out(scene.shape, scene.colour, scene.motion) for scene in scenes)


def test_more_captions_begin_with_the_same_ones(setup):
    few, many = (plan_tasks(["t2v", "i2v"], replace(setup, captions=count)) for count in (4, 9))
    by_key = {task.key: task for task in many}
    assert all(by_key[task.key] == task for task in few)
    assert plan_tasks(["t2v"], replace(setup, seed=1))[0].question != few[0].question


def test_a_sweep_asks_the_same_captions_with_the_same_seeds_in_every_group(setup):
    tasks = plan_tasks(["t2v", "guidance"], setup)
    plain = [task.question for task in tasks if task.part == "t2v"][:3]
    groups = {task.group for task in tasks if task.part == "guidance"}
    assert len(groups) > 3
    for group in groups:
        assert [task.question for task in tasks if task.group == group] == plain


def test_a_jump_where_two_windows_meet_is_seen():
    frames = np.zeros((28, 8, 8, 3), np.uint8)
    frames[:, :, :, 0] = np.arange(28)[:, None, None]
    assert changes(frames, range(12, 16)) == pytest.approx((1 / 3, 1 / 3))
    frames[14:] += 60
    seam, own = changes(frames, range(12, 16))
    assert seam == pytest.approx(60 + 1 / 3)
    assert own == pytest.approx(1 / 3)


def test_psnr_is_the_textbooks():
    dark = np.zeros((4, 4, 3), np.uint8)
    assert psnr(dark, dark + 255) == 0
    assert psnr(dark, dark + 16) == pytest.approx(20 * np.log10(255 / 16))
    assert psnr(dark, dark) == 99
