import json
import math
import os
from dataclasses import replace
from functools import partial

import pytest
from PIL import Image

from easyanimate.errors import EasyAnimateError, InvalidInput, NotFinite
from easyanimate.evaluation import (
    Ledger,
    Share,
    by_group,
    choose_groups,
    in_turn,
    plan_tasks,
    read_threshold,
    run_tasks,
    side_by_side,
    write_report,
)
from tests.unit.evaluation.draughtsman import Draughtsman

ABOUT = {"model": "drawn", "seed": 0}
GROUPS = {"t2v": [""], "i2v": [""], "samplers": ["ddim", "euler"]}


def test_a_process_that_is_gone_is_told_and_what_was_judged_stays(setup, tmp_path):
    tasks = plan_tasks(["t2v"], setup)
    ledger = Ledger(tmp_path, ABOUT)
    run_tasks(tasks[:1], partial(in_turn, maker=Draughtsman(setup, tasks)), ledger, lambda task: None)
    with pytest.raises(EasyAnimateError, match="take fewer workers"):
        run_tasks(
            tasks[:2], partial(side_by_side, open_maker=partial(os._exit, 1), workers=2), ledger, lambda task: None
        )
    assert list(Ledger(tmp_path, ABOUT).results) == ["t2v/0"]


def test_what_is_judged_is_not_made_again(setup, tmp_path):
    tasks = plan_tasks(["t2v"], setup)

    def stop(task):
        if task.index == 9:
            raise KeyboardInterrupt

    first = Draughtsman(setup, tasks)
    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks, partial(in_turn, maker=first), Ledger(tmp_path, ABOUT), stop)
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"key": "t2v/10", "part')  # a writer that was killed
    second = Draughtsman(setup, tasks)
    resumed = run_tasks(tasks, partial(in_turn, maker=second), Ledger(tmp_path, ABOUT), lambda task: None)
    assert (first.calls, second.calls) == (10, len(tasks) - 10)
    whole = run_tasks(
        tasks, partial(in_turn, maker=Draughtsman(setup, tasks)), Ledger(tmp_path / "whole", ABOUT), lambda task: None
    )
    assert [replace(result, seconds=0) for result in resumed] == [replace(result, seconds=0) for result in whole]


def test_results_of_another_model_are_not_mixed_in(tmp_path):
    Ledger(tmp_path, ABOUT)
    with pytest.raises(InvalidInput, match="another model or of other settings"):
        Ledger(tmp_path, {**ABOUT, "model": "another"})
    Ledger(tmp_path, ABOUT)


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path):
    (tmp_path / "results.jsonl").write_text("my notes\n")
    with pytest.raises(InvalidInput, match="choose another folder"):
        Ledger(tmp_path, ABOUT)
    assert (tmp_path / "results.jsonl").read_text() == "my notes\n"


def test_a_model_that_makes_no_picture_has_everything_wrong(setup, tmp_path):
    class Broken(Draughtsman):
        def clip(self, caption, seed, **settings):
            if seed % 2:
                raise NotFinite("the model made NaN")
            return super().clip(caption, seed, **settings)

    tasks = plan_tasks(["t2v"], setup)
    odd = sum(task.question.seed % 2 for task in tasks)
    results = run_tasks(tasks, partial(in_turn, maker=Broken(setup, tasks)), Ledger(tmp_path, ABOUT), lambda task: None)
    summary = by_group(results)["t2v"][""]
    assert 0 < odd == summary.failed
    assert summary.everything.right == len(tasks) - odd


def test_the_report_has_tables_sheets_and_floors(setup, tmp_path):
    tasks = plan_tasks(["t2v", "i2v", "samplers"], setup)
    wrong = Draughtsman(setup, tasks, lambda scene: replace(scene, velocity=(0.0, 0.0)))
    ledger = Ledger(tmp_path, ABOUT)
    results = run_tasks(tasks, partial(in_turn, maker=wrong), ledger, lambda task: None)
    texts = ("colour=1", "motion=0.9", "i2v.first_frame_psnr=28", "samplers.ddim.shape=0.97", "t2v.everything=0.9")
    floors = [read_threshold(text, GROUPS) for text in texts]
    missed = write_report(tmp_path, ABOUT, results, floors, ledger)
    assert [floor.name for floor in missed] == ["t2v.motion", "t2v.everything"]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["model"] == "drawn"
    colour = report["parts"]["t2v"]["all"]["attributes"]["colour"]
    assert (colour["right"], colour["asked"], colour["share"]) == (24, 24, 1.0)
    assert report["parts"]["t2v"]["all"]["words"]["motion"]["still"]["share"] == 1.0
    assert set(report["parts"]["samplers"]) == {"euler", "ddim", "pndm"}
    assert [floor["reached"] for floor in report["floors"]][:1] == [1.0]
    page = (tmp_path / "report.md").read_text()
    assert "| t2v.motion | 0.9 |" in page
    assert "**missed**" in page
    for name in ("t2v.png", "i2v.png", "samplers.png"):
        assert f"]({name})" in page
        with Image.open(tmp_path / name) as sheet:
            assert sheet.width >= 8 * 64
            assert len(sheet.getcolors(2**20)) > 10


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("colour", "NAME=NUMBER"),
        ("colour=much", "NAME=NUMBER"),
        ("colours=0.9", "it has colour, background"),
        ("vae.psnr=30", "evaluated are t2v, i2v, samplers"),
        ("samplers.colour=0.9", "needs a group of samplers: ddim, euler"),
        ("colour=nan", "NAME=NUMBER"),
    ],
)
def test_a_floor_nobody_can_check_is_refused(text, reason):
    with pytest.raises(InvalidInput, match=reason):
        read_threshold(text, GROUPS)


def test_parts_are_chosen_by_name(setup):
    assert choose_groups("vae, t2v", setup) == ("t2v", "vae")
    assert "lora" in choose_groups(None, setup)
    assert "lora" not in choose_groups(None, replace(setup, lora=None))
    with pytest.raises(InvalidInput, match="no part 't3v'; there are t2v, i2v"):
        choose_groups("t2v,t3v", setup)
    with pytest.raises(InvalidInput, match="needs a LoRA file"):
        choose_groups("lora", replace(setup, lora=None))
    with pytest.raises(InvalidInput, match="captions must be 1 or more"):
        replace(setup, captions=0)


def test_a_share_says_how_sure_it_is():
    share = Share.of([True] * 195 + [False] * 5)
    assert (share.right, share.asked, share.share) == (195, 200, 0.975)
    assert (share.low, share.high) == pytest.approx((0.9428, 0.9893), abs=5e-4)
    assert Share.of([True] * 200).low == pytest.approx(200 / (200 + 1.96**2), abs=1e-4)
    assert math.isclose(Share.of([False]).low, 0.0)
