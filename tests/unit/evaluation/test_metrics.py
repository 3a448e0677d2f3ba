"""A perfect model reaches the maximum of every metric; one wrong attribute lowers only its own share."""

from dataclasses import replace

import numpy as np
import pytest

from easyanimate.evaluation import METRIC_GROUPS, plan_tasks, summarise_groups
from easyanimate.evaluation.seams import frame_changes
from easyanimate.evaluation.task import psnr
from easyanimate.training.shapes import is_held_out
from easyanimate.training.shapes.scene import COLOURS, DIRECTIONS


def shares(summary):
    return {name: share.share for name, share in summary.attributes.items()}


def test_a_perfect_model_reaches_the_maximum_in_every_part(evaluated):
    summaries = summarise_groups(evaluated([part for part in METRIC_GROUPS if part != "lora"]))
    for part, groups in summaries.items():
        for summary in groups.values():
            assert set(shares(summary).values()) == {1.0}, (part, shares(summary))
            assert summary.everything.share == 1.0
    numbers = {part: groups.get("", None) and groups[""].numbers for part, groups in summaries.items()}
    assert numbers["i2v"]["first_frame_psnr"].least == 99
    assert numbers["i2v"]["misplaced"].most < 0.01
    assert numbers["ends"]["last_frame_psnr"].least == 99
    assert numbers["vae"]["psnr"].least == 99
    for part in ("continuation", "windows"):
        assert numbers[part]["no_jump"].mean == numbers[part]["motion_after"].mean == 1
    assert numbers["prompts"]["other"].mean == 1
    assert numbers["i2v"]["circle_overlap"].least == numbers["vae"]["circle_overlap"].least == 1
    assert set(summaries["samplers"]) == {"euler", "ddim", "pndm"}


def test_the_paraphrases_have_groups_by_kind_of_motion(setup):
    tasks = plan_tasks(["paraphrases"], replace(setup, captions=60))
    kinds = {"straight": ("left", "right", "up", "down"), "diagonal": tuple(DIRECTIONS)[4:]}
    assert {task.group for task in tasks} == {"straight", "diagonal", "still", "growing", "shrinking", "turning"}
    assert all(task.prompt.scene.motion in kinds.get(task.group, (task.group,)) for task in tasks)


def another_colour(scene):
    name = next(name for name in ("purple", "orange") if name != scene.colour)
    return replace(scene, paint=COLOURS[name])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (another_colour, "colour"),
        (lambda scene: replace(scene, shape="cross" if scene.shape == "circle" else "circle"), "shape"),
        (lambda scene: replace(scene, radius=13.0 + 4 * (scene.size == "small") - 4 * (scene.size == "large")), "size"),
        (lambda scene: replace(scene, velocity=(0.0, 0.0) if scene.motion != "still" else (1.0, 0.0)), "motion"),
    ],
)
def test_a_wrong_attribute_lowers_only_its_own_share(evaluated, change, wrong):
    summary = summarise_groups(evaluated(["t2v"], change))["t2v"][""]
    measured = shares(summary)
    assert measured.pop(wrong) == 0
    measured.pop("speed" if wrong == "motion" else "", None)  # a still shape has none
    assert set(measured.values()) == {1.0}, measured


def test_the_style_of_a_lora_is_measured_at_each_strength(evaluated):
    groups = summarise_groups(evaluated(["lora"]))["lora"]
    assert {group: summary.attributes["style"].share for group, summary in groups.items()} == {"0": 0, "0.5": 0, "1": 1}


def test_all_captions_are_of_held_out_combinations(setup):
    scenes = [task.prompt.scene for task in plan_tasks(tuple(METRIC_GROUPS), setup)]
    assert all(is_held_out(scene.shape, scene.colour, scene.motion) for scene in scenes)


def test_a_larger_number_of_captions_starts_with_the_same_ones(setup):
    few, many = (plan_tasks(["t2v", "i2v"], replace(setup, captions=count)) for count in (4, 9))
    by_key = {task.key: task for task in many}
    assert all(by_key[task.key] == task for task in few)
    assert plan_tasks(["t2v"], replace(setup, seed=1))[0].prompt != few[0].prompt


def test_every_group_of_a_sweep_has_the_same_captions_and_seeds(setup):
    tasks = plan_tasks(["t2v", "guidance"], setup)
    plain = [task.prompt for task in tasks if task.part == "t2v"][:3]
    groups = {task.group for task in tasks if task.part == "guidance"}
    assert len(groups) > 3
    for group in groups:
        assert [task.prompt for task in tasks if task.group == group] == plain


def test_a_jump_at_a_seam_is_measured():
    frames = np.zeros((28, 8, 8, 3), np.uint8)
    frames[:, :, :, 0] = np.arange(28)[:, None, None]
    assert frame_changes(frames, range(12, 16)) == pytest.approx((1 / 3, 1 / 3))
    frames[14:] += 60
    seam, own = frame_changes(frames, range(12, 16))
    assert seam == pytest.approx(60 + 1 / 3)
    assert own == pytest.approx(1 / 3)


def test_psnr_is_computed_by_its_definition():
    dark = np.zeros((4, 4, 3), np.uint8)
    assert psnr(dark, dark + 255) == 0
    assert psnr(dark, dark + 16) == pytest.approx(20 * np.log10(255 / 16))
    assert psnr(dark, dark) == 99
