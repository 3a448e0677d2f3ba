"""Pictures of drift: line charts with a row for each scene, and frames of some windows."""

from collections.abc import Iterator, Mapping, Sequence

from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.drift.records import SeriesRecord

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, GAP = 300, 190, 52, 30, 26, 12
COLOURS = ("#d62728", "#ff7f0e", "#9467bd", "#1f77b4", "#17a398", "#8c564b", "#111111")
STRIP_WAYS = ("frames", "still")
LABEL_WIDTH, LINE = 130, 16
Curves = Mapping[str, Sequence[float]]
Panel = tuple[str, Curves, float | None]  # the title, the curves by name, and the limit that they should keep


def drift_chart(rows: Sequence[Sequence[Panel]]) -> str:
    """The panels in rows; the names of the curves are below them."""
    width = max(len(row) for row in rows) * (WIDTH + GAP)
    height = len(rows) * (HEIGHT + GAP) + 28
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for y, row in enumerate(rows):
        for x, panel in enumerate(row):
            parts.append(f'<g transform="translate({x * (WIDTH + GAP)} {y * (HEIGHT + GAP)})">')
            parts += [*_panel(*panel), "</g>"]
    names = list(dict.fromkeys(name for row in rows for _, curves, _ in row for name in curves))
    for index, name in enumerate(names):
        x = LEFT + index * (width - LEFT) / len(names)
        parts.append(f'<path d="M{x:.0f},{height - 16} h22" stroke="{COLOURS[index]}" stroke-width="2.5"/>')
        parts.append(f'<text x="{x + 28:.0f}" y="{height - 12}" font-size="12">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(title: str, curves: Curves, limit: float | None) -> list[str]:
    values = [value for curve in curves.values() for value in curve]
    low, high = min([0.0, *values]), max([0.0, *values, limit or 0.0])
    span = (high - low) or 1.0
    count = max(len(curve) for curve in curves.values())

    def place(index: float, value: float) -> str:
        right = LEFT + index / max(count - 1, 1) * (WIDTH - LEFT - 8)
        return f"{right:.1f},{HEIGHT - BOTTOM - (value - low) / span * (HEIGHT - BOTTOM - TOP):.1f}"

    parts = [f'<text x="{LEFT}" y="16" font-size="12" font-weight="bold">{title}</text>']
    parts.append(f'<path d="M{place(0, high)} L{place(0, low)} L{place(count - 1, low)}" fill="none" stroke="#555"/>')
    for value in (low, (low + high) / 2, high):
        y = place(0, value).split(",")[1]
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4}" font-size="11" text-anchor="end">{value:.3g}</text>')
    for index in (0, (count - 1) // 2, count - 1):
        x = place(index, low).split(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" font-size="11" text-anchor="middle">{index}</text>')
    if limit is not None:
        parts.append(
            f'<path d="M{place(0, limit)} L{place(count - 1, limit)}" stroke="#2ca02c" stroke-dasharray="4 3"/>'
        )
    for number, curve in enumerate(curves.values()):
        points = " ".join(place(index, value) for index, value in enumerate(curve))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.5"/>')
    return parts


def frame_strips(records: Sequence[SeriesRecord]) -> Image.Image:
    """A row for each chain of `STRIP_WAYS`, with the last frames of some windows."""
    rows = [row for record in records for row in _strips(record)]
    indexes = list(dict.fromkeys(index for _, frames in rows for index in frames))
    side = records[0].series.size + 2
    sheet = Image.new("RGB", (LABEL_WIDTH + len(indexes) * side, LINE + len(rows) * side), "white")
    pen = ImageDraw.Draw(sheet)
    for x, index in enumerate(indexes):
        pen.text((LABEL_WIDTH + x * side, 2), f"window {index}", fill="black")
    for y, (label, frames) in enumerate(rows):
        pen.text((4, LINE + y * side + side // 2 - 6), label, fill="black")
        for index, frame in frames.items():
            place = LABEL_WIDTH + indexes.index(index) * side, LINE + y * side
            sheet.paste(Image.fromarray(frame.numpy()), place)
    return sheet


def _strips(record: SeriesRecord) -> Iterator[tuple[str, dict[int, Tensor]]]:
    """The label and the kept frames of each chain, by window."""
    kept = record.kept_frames()
    for row, name in enumerate(record.series.lanes):
        if kept and name[1] in STRIP_WAYS:
            yield ": ".join(name), {index: frames[row] for index, frames in kept.items()}
