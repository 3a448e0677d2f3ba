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
    choose_groups,
    plan_tasks,
    read_threshold,
    run_in_processes,
    run_sequentially,
    run_tasks,
    summarise_groups,
    write_report,
)
from tests.unit.evaluation.drawing_model import DrawingModel

ABOUT = {"model": "drawn", "seed": 0}
GROUPS = {"t2v": [""], "i2v": [""], "samplers": ["ddim", "euler"]}


def evaluate(tasks, model, ledger, on_task=lambda task: None):
    return run_tasks(tasks, partial(run_sequentially, model=model), ledger, on_task)


@pytest.mark.slow
def test_a_process_that_ends_is_reported_and_the_results_stay(setup, tmp_path):
    tasks = plan_tasks(["t2v"], setup)
    ledger = Ledger(tmp_path, ABOUT)
    evaluate(tasks[:1], DrawingModel(setup, tasks), ledger)
    with pytest.raises(EasyAnimateError, match="use fewer workers"):
        run_tasks(
            tasks[:2], partial(run_in_processes, open_model=partial(os._exit, 1), workers=2), ledger, lambda task: None
        )
    assert list(Ledger(tmp_path, ABOUT).results) == ["t2v/0"]


@pytest.mark.slow
def test_finished_tasks_are_not_run_again(setup, tmp_path):
    tasks = plan_tasks(["t2v"], setup)

    def stop(task):
        if task.index == 9:
            raise KeyboardInterrupt

    first = DrawingModel(setup, tasks)
    with pytest.raises(KeyboardInterrupt):
        evaluate(tasks, first, Ledger(tmp_path, ABOUT), stop)
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"key": "t2v/10", "part')  # of a killed process
    second = DrawingModel(setup, tasks)
    resumed = evaluate(tasks, second, Ledger(tmp_path, ABOUT))
    assert (first.calls, second.calls) == (10, len(tasks) - 10)
    whole = evaluate(tasks, DrawingModel(setup, tasks), Ledger(tmp_path / "whole", ABOUT))
    assert [replace(result, seconds=0) for result in resumed] == [replace(result, seconds=0) for result in whole]


def test_results_of_another_model_are_refused(tmp_path):
    Ledger(tmp_path, ABOUT)
    with pytest.raises(InvalidInput, match="another model or of other settings"):
        Ledger(tmp_path, {**ABOUT, "model": "another"})
    Ledger(tmp_path, ABOUT)


def test_a_file_that_is_no_ledger_is_refused_and_not_changed(tmp_path):
    (tmp_path / "results.jsonl").write_text("my notes\n")
    with pytest.raises(InvalidInput, match="choose another folder"):
        Ledger(tmp_path, ABOUT)
    assert (tmp_path / "results.jsonl").read_text() == "my notes\n"


@pytest.mark.slow
def test_all_attributes_of_values_that_are_not_finite_are_wrong(setup, tmp_path):
    class Broken(DrawingModel):
        def generate_clip(self, caption, seed, **settings):
            if seed % 2:
                raise NotFinite("the model returned NaN")
            return super().generate_clip(caption, seed, **settings)

    tasks = plan_tasks(["t2v"], setup)
    odd = sum(task.prompt.seed % 2 for task in tasks)
    results = evaluate(tasks, Broken(setup, tasks), Ledger(tmp_path, ABOUT))
    summary = summarise_groups(results)["t2v"][""]
    assert 0 < odd == summary.failed
    assert summary.everything.right == len(tasks) - odd


@pytest.mark.slow
def test_the_report_has_tables_sheets_and_thresholds(setup, tmp_path):
    tasks = plan_tasks(["t2v", "i2v", "samplers"], setup)
    wrong = DrawingModel(setup, tasks, lambda scene: replace(scene, velocity=(0.0, 0.0)))
    ledger = Ledger(tmp_path, ABOUT)
    results = evaluate(tasks, wrong, ledger)
    texts = ("colour=1", "motion=0.9", "i2v.first_frame_psnr=28", "samplers.ddim.shape=0.97", "t2v.everything=0.9")
    thresholds = [read_threshold(text, GROUPS) for text in texts]
    missed = write_report(tmp_path, ABOUT, results, thresholds, ledger)
    assert [threshold.name for threshold in missed] == ["t2v.motion", "t2v.everything"]
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
    images = list(tmp_path.rglob("*.png"))
    assert len(images) == 3 + len(tasks)
    assert all(b"trainedAlgorithmicMedia" in path.read_bytes() for path in images)


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
def test_a_threshold_without_a_number_is_refused(text, reason):
    with pytest.raises(InvalidInput, match=reason):
        read_threshold(text, GROUPS)


def test_groups_are_chosen_by_name(setup):
    assert choose_groups("vae, t2v", setup) == ("t2v", "vae")
    assert "lora" in choose_groups(None, setup)
    assert "lora" not in choose_groups(None, replace(setup, lora=None))
    with pytest.raises(InvalidInput, match="no part 't3v'; there are t2v, paraphrases, i2v"):
        choose_groups("t2v,t3v", setup)
    with pytest.raises(InvalidInput, match="needs a LoRA file"):
        choose_groups("lora", replace(setup, lora=None))
    with pytest.raises(InvalidInput, match="captions must be 1 or more"):
        replace(setup, captions=0)


def test_a_share_has_a_confidence_interval():
    share = Share.of([True] * 195 + [False] * 5)
    assert (share.right, share.total, share.share) == (195, 200, 0.975)
    assert (share.low, share.high) == pytest.approx((0.9428, 0.9893), abs=5e-4)
    assert Share.of([True] * 200).low == pytest.approx(200 / (200 + 1.96**2), abs=1e-4)
    assert math.isclose(Share.of([False]).low, 0.0)
