"""`python -m benchmarks.drift`: measures chains of windows; writes table and picture of docs/guides/long-videos.md.

It can be interrupted; the next run continues. With `--report` it only writes what is recorded.
"""

import argparse
from collections.abc import Iterable, Sequence
from math import hypot
from pathlib import Path

import torch

from benchmarks.capacity.__main__ import table, write
from benchmarks.drift.chain import WAYS
from benchmarks.drift.chart import Panel, drift_chart
from benchmarks.drift.records import SCENES, ChainPlan, ChainRecord, plans
from easyanimate.frame_statistics import FrameStatistics, drift_of
from easyanimate.memory import load_in_profile
from easyanimate.pipeline import ClipStages
from easyanimate.tiny import copy_tiny_model

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "guides" / "long-videos.md", DOCS / "images" / "drift.svg"
CAPTION = "![Mean, variance and sharpness of each window against the first one](../images/drift.svg)"
MEAN_LIMIT, VARIANCE_LIMIT, GATE_WINDOWS = 1.0, 2.0, 50


def load(folder: Path) -> ClipStages:
    """The small model in `folder`, which is created if it is missing."""
    if not folder.is_dir():
        copy_tiny_model(folder)
    return load_in_profile(folder, torch.float32, "normal", torch.device("cpu"))


def distances(windows: Sequence[FrameStatistics]) -> dict[str, list[float]]:
    """For each window its distance from the first: levels of 255 for mean and chroma, percent for the others."""
    first, drifts = windows[0], [drift_of(window, windows[0]) for window in windows]
    return {
        "mean": [drift.mean * 255 for drift in drifts],
        "variance": [100 * (drift.variance or 0.0) for drift in drifts],
        "sharpness": [100 * (drift.sharpness or 0.0) for drift in drifts],
        "chroma": [chroma_distance(window.mean, first.mean) for window in windows],
    }


def chroma_distance(mean: tuple[float, float, float], first: tuple[float, float, float]) -> float:
    """The distance of Cb and Cr (BT.709), in levels."""
    red, green, blue = (a - b for a, b in zip(mean, first, strict=True))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return hypot((blue - luma) / 1.8556, (red - luma) / 1.5748)


def rows(records: Iterable[ChainRecord]) -> list[list[str]]:
    """The largest distance within the windows of the gate, and the one after the last window."""
    lines = []
    for record in records:
        windows, plan = record.windows(), record.plan
        if len(windows) < 2:
            continue
        measured = distances(windows)
        within = min(len(windows) - 1, GATE_WINDOWS)
        largest = {name: max(map(abs, values[: within + 1])) for name, values in measured.items()}
        kind = "extensions" if plan.is_stored else "windows"
        last = f"{measured['mean'][-1]:.1f}, {measured['variance'][-1]:+.1f} %"
        lines.append(
            [plan.scene, plan.way, f"{within} {kind}", f"{largest['mean']:.2f}", f"{largest['variance']:.1f} %",
             f"{largest['sharpness']:.1f} %", f"{largest['chroma']:.2f}", f"{last} after {len(windows) - 1}"]
        )  # fmt: skip
    return lines


def panels(records: Iterable[ChainRecord]) -> list[list[Panel]]:
    """The panels of the chart: a row of panels for each scene with measured chains."""
    measured = {
        (record.plan.scene, record.plan.way): record.windows() for record in records if not record.plan.is_stored
    }
    chart: list[list[Panel]] = []
    for scene in SCENES:
        curves = {way: distances(measured[scene, way]) for way in WAYS if len(measured.get((scene, way), ())) > 1}
        if curves:
            pick = {
                name: {way: each[name] for way, each in curves.items()} for name in ("mean", "variance", "sharpness")
            }
            is_still = scene.startswith("still")
            chart.append([
                (f"{scene}: mean, levels", pick["mean"], MEAN_LIMIT if is_still else None),
                (f"{scene}: variance, %", pick["variance"], VARIANCE_LIMIT if is_still else None),
                (f"{scene}: sharpness, %", pick["sharpness"], None),
            ])  # fmt: skip
    return chart


def report(records: Sequence[ChainRecord]) -> None:
    """Writes the table and the chart of all records."""
    head = ["scene", "way", "within", "mean, levels", "variance", "sharpness", "chroma, levels", "mean and variance"]
    write(PAGE, {"drift": f"{table(head, rows(records))}\n\n{CAPTION}"})
    PICTURE.write_text(drift_chart(panels(records)), encoding="utf-8")


def main() -> None:
    """Measures the chains that have no complete record, and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--extensions", type=int, default=50)
    parser.add_argument("--size", type=int, default=64, help="pixels of a side")
    parser.add_argument("--frames", type=int, default=16, help="frames of a window")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="measure only chains whose names contain this text")
    parser.add_argument("--folder", type=Path, default=Path("runs/drift"), help="for the records")
    parser.add_argument("--report", action="store_true", help="write table and picture of what is recorded")
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("size", "frames", "steps", "seed")}
    options.folder.mkdir(parents=True, exist_ok=True)
    chosen: list[ChainPlan] = list(plans(options.windows, options.extensions, **settings))
    records = [ChainRecord(options.folder, plan) for plan in chosen]
    if not options.report:
        torch.set_num_threads(1)
        pipe = load(options.folder / "easyanimate-v3-tiny")
        for record in records:
            if options.only in record.plan.name:
                print(record.plan.name, flush=True)
                record.run(pipe)
                for line in rows([record]):
                    print("  ", *line, flush=True)
    report(records)


if __name__ == "__main__":
    main()
