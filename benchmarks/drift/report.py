"""Tables and panels of what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from math import hypot

from benchmarks.drift.chart import Panel
from benchmarks.drift.records import MeasuredWindow, SeriesRecord
from benchmarks.drift.ways import SCENES, WAYS, is_still
from easyanimate.frame_statistics import FrameStatistics, drift_of

MEAN_LIMIT, VARIANCE_LIMIT, GATE_WINDOWS = 1.0, 2.0, 50  # levels, percent
GATE_HEAD = ["scene", "way", "windows", "mean, levels", "variance", "sharpness", "motion", "last", "goals"]
CAUSE_HEAD = ["scene", "chain", "windows", "mean, levels", "variance", "area of the shape", "background", "shape"]


def distances(windows: Sequence[FrameStatistics]) -> dict[str, list[float]]:
    """For each window its distance from the first: levels of 255 for mean and chroma, percent for the others."""
    first, drifts = windows[0], [drift_of(window, windows[0]) for window in windows]
    return {
        "mean": [drift.mean * 255 for drift in drifts],
        "variance": [100 * (drift.variance or 0.0) for drift in drifts],
        "sharpness": [100 * (drift.sharpness or 0.0) for drift in drifts],
        "chroma": [_chroma_distance(window.mean, first.mean) for window in windows],
    }


def _chroma_distance(mean: tuple[float, float, float], first: tuple[float, float, float]) -> float:
    """The distance of Cb and Cr (BT.709), in levels."""
    red, green, blue = (a - b for a, b in zip(mean, first, strict=True))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return hypot((blue - luma) / 1.8556, (red - luma) / 1.5748)


def gate_rows(record: SeriesRecord) -> list[list[str]]:
    """For each chain the largest distances within the windows of the goals, and those after its last window."""
    return [_gate_row(scene, way, windows) for (scene, way), windows in _chains(record)]


def _gate_row(scene: str, way: str, windows: Sequence[MeasuredWindow]) -> list[str]:
    measured = distances([window.statistics for window in windows])
    count = min(len(windows) - 1, GATE_WINDOWS)
    motions = [window.content.motion for window in windows[: count + 1]]
    largest = {name: max(map(abs, values[: count + 1])) for name, values in measured.items()}
    is_met = largest["mean"] <= MEAN_LIMIT and largest["variance"] <= VARIANCE_LIMIT
    last = f"{measured['mean'][-1]:.1f}, {measured['variance'][-1]:+.1f} % after {len(windows) - 1}"
    return [
        scene, way, str(count), f"{largest['mean']:.2f}", f"{largest['variance']:.1f} %",
        f"{largest['sharpness']:.1f} %", f"{motions[0]:.1f} to {sum(motions[1:]) / count:.1f}", last,
        ("met" if is_met else "missed") if is_still(scene) else "",
    ]  # fmt: skip


def cause_rows(record: SeriesRecord) -> list[list[str]]:
    """What the last window of each chain shows, against the first one."""
    rows = []
    for (scene, way), windows in _chains(record):
        measured = distances([window.statistics for window in windows])
        first, last = windows[0].content, windows[-1].content
        rows.append([
            scene, way, str(len(windows) - 1), f"{measured['mean'][-1]:.1f}", f"{measured['variance'][-1]:+.1f} %",
            f"{100 * first.area:.1f} to {100 * last.area:.1f} %",
            _shift(first.background, last.background), _shift(first.shape, last.shape),
        ])  # fmt: skip
    return rows


def panels(records: Sequence[SeriesRecord]) -> list[list[Panel]]:
    """A row for each scene, with a panel for each statistic."""
    measured, chart = {name: windows for record in records for name, windows in record.windows().items()}, []
    for scene in SCENES:
        chains = {way: measured[scene, way] for way in WAYS if len(measured.get((scene, way), ())) > 1}
        if chains:
            curves = {way: distances([each.statistics for each in chain]) for way, chain in chains.items()}
            chart.append(_row(scene, curves))
    return chart


def _row(scene: str, curves: Mapping[str, Mapping[str, Sequence[float]]]) -> list[Panel]:
    limits = {"mean": MEAN_LIMIT, "variance": VARIANCE_LIMIT} if is_still(scene) else {}
    titles = {"mean": "mean, levels", "variance": "variance, %", "sharpness": "sharpness, %"}
    return [
        (f"{scene}: {title}", {way: each[name] for way, each in curves.items()}, limits.get(name))
        for name, title in titles.items()
    ]


def _chains(record: SeriesRecord) -> Iterator[tuple[tuple[str, str], list[MeasuredWindow]]]:
    """The chains with more than one window."""
    yield from ((name, windows) for name, windows in record.windows().items() if len(windows) > 1)


def _shift(first: Sequence[float], last: Sequence[float]) -> str:
    """The change of a colour, in levels of red, green and blue."""
    return ", ".join(f"{b - a:+.0f}" for a, b in zip(first, last, strict=True))
