"""The packaged small model follows captions that were not in its training data."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

pytestmark = pytest.mark.slow

# Slightly below the results of 200 captions (easyanimate/tiny/model/README.md), so that one more of 10 can fail.
FLOORS = (
    "t2v.colour=0.9",
    "t2v.background=0.9",
    "t2v.shape=0.9",
    "t2v.motion=0.9",
    "t2v.speed=0.9",
    "i2v.motion=0.9",
    "i2v.first_frame_psnr=27.5",
    "vae.psnr=30",
)


@pytest.mark.timeout(900)
def test_the_small_model_follows_ten_captions(models_dir: Path, tmp_path: Path) -> None:
    model, floors = str(models_dir / "easyanimate-v3-tiny"), [part for floor in FLOORS for part in ("--floor", floor)]
    options = ["--model", model, "--captions", "10", "--only", "t2v,i2v,vae", "-o", str(tmp_path)]
    done = CliRunner().invoke(app, ["evaluate", *options, *floors])
    assert done.exit_code == 0, done.output[-3000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parts"]["t2v"]["all"]["clips"] == 10
