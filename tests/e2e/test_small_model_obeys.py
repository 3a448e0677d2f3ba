"""The small model as it is shipped does what captions say that it never saw in training."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

# A little under what 200 captions showed (easyanimate/tiny/model/README.md): of 20, one more may fail.
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


@pytest.mark.slow
def test_twenty_captions_are_obeyed(models_dir: Path, tmp_path: Path) -> None:
    model, floors = str(models_dir / "easyanimate-v3-tiny"), [word for floor in FLOORS for word in ("--floor", floor)]
    words = ["--model", model, "--captions", "20", "--only", "t2v,i2v,vae", "-o", str(tmp_path)]
    done = CliRunner().invoke(app, ["evaluate", *words, *floors])
    assert done.exit_code == 0, done.output[-3000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parts"]["t2v"]["all"]["clips"] == 20
