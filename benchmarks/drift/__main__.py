"""`python -m benchmarks.drift`: measures chains of windows; writes tables and picture of docs/guides/long-videos.md.

It can be interrupted; the next run continues. With `--report` it only writes what is recorded.
"""

import argparse
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.capacity.__main__ import table, write
from benchmarks.drift.chart import drift_chart, frame_strips
from benchmarks.drift.records import SeriesRecord, all_series
from benchmarks.drift.report import (
    CAUSE_HEAD,
    GATE_HEAD,
    GATE_WINDOWS,
    cause_rows,
    gate_rows,
    panels,
)
from easyanimate.memory import load_in_profile
from easyanimate.pipeline import ClipStages
from easyanimate.provenance.plain import save_generated
from easyanimate.tiny import copy_tiny_model

DOCS = Path(__file__).parents[2] / "docs"
WEIGHTS = Path(__file__).parents[2] / "easyanimate" / "tiny" / "model"
PAGE, PICTURE = DOCS / "guides" / "long-videos.md", DOCS / "images" / "drift.svg"
STRIPS = DOCS / "images" / "drift-frames.png"
CAPTION = "![Mean, variance and sharpness of each window against the first one](../images/drift.svg)"
STRIP_CAPTION = "![The last frames of some windows, by scene and way](../images/drift-frames.png)"


def load(folder: Path) -> ClipStages:
    """The small model in `folder`, which is created if it is missing."""
    if not folder.is_dir():
        copy_tiny_model(folder)
    return load_in_profile(folder, torch.float32, "normal", torch.device("cpu"))


def weights_commit() -> str:
    """The commit of the weights of the small model in this checkout."""
    command = ["git", "log", "-1", "--abbrev=7", "--format=%h", "--", "*.safetensors"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=WEIGHTS).stdout.strip()


def measure(records: Sequence[SeriesRecord], pipe: ClipStages) -> None:
    """First the windows of the goals; then all series in rounds, so that an interrupted run has some of each."""
    rounds = [(records[0], GATE_WINDOWS)]
    longest = max(record.series.windows for record in records)
    rounds += [(record, end) for end in (5, 10, 20, *range(50, longest + 50, 50)) for record in records]
    for record, until in rounds:
        started = time.process_time()
        record.run(pipe, until)
        seconds = time.process_time() - started
        if seconds > 1:
            print(f"{record.series.name}: up to window {until}, {seconds:.0f} CPU seconds", flush=True)


def report(records: Sequence[SeriesRecord]) -> None:
    """Writes tables, chart and frames of all records."""
    long, extensions, experiments, causes, moving = records
    settings = long.series
    about = (
        f"Weights of commit {weights_commit()}; {settings.size} pixels, windows of {settings.frames} frames, "
        f"{settings.steps} steps, seed {settings.seed}. The columns before *last* have the largest distances from the "
        f"first window within the first {GATE_WINDOWS} windows. *Motion* is the mean difference of consecutive frames, "
        "in levels: of the first window, and the mean of the others."
    )
    rows = [row for record in (long, experiments, moving) for row in gate_rows(record)]
    parts = [about, table(GATE_HEAD, rows), CAPTION, STRIP_CAPTION]
    parts += ["The same for extensions of a stored video:", table(GATE_HEAD, gate_rows(extensions))]
    parts += ["Chains that show what causes the drift:", table(CAUSE_HEAD, cause_rows(causes))]
    write(PAGE, {"drift": "\n\n".join(parts)})
    PICTURE.write_text(drift_chart(panels([long, experiments, moving])), encoding="utf-8")
    save_generated(frame_strips([long, experiments, moving]), STRIPS)


def add_options(parser: argparse.ArgumentParser, steps: int) -> None:
    """Adds the settings of a measurement to `parser`; `steps` is the default number of denoising steps."""
    parser.add_argument("--extensions", type=int, default=50)
    parser.add_argument("--size", type=int, default=64, help="pixels of a side")
    parser.add_argument("--frames", type=int, default=16, help="frames of a window")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path("runs/drift"), help="for model and records, by weights")
    parser.add_argument("--report", action="store_true", help="only write what is recorded to the page")


def main() -> None:
    """Measures the series that have no complete record, and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--windows", type=int, default=200)
    add_options(parser, steps=10)
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("size", "frames", "steps", "seed")}
    folder = options.folder / weights_commit()
    folder.mkdir(parents=True, exist_ok=True)
    records = [SeriesRecord(folder, each) for each in all_series(options.windows, options.extensions, **settings)]
    if not options.report:
        torch.set_num_threads(1)
        measure(records, load(folder / "easyanimate-v3-tiny"))
    report(records)


if __name__ == "__main__":
    main()
