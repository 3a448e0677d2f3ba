"""A small line chart as SVG."""

import math

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 760, 320, 56, 136, 44, 16
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2")
Lines = dict[str, list[tuple[float, float]]]
Ticks = list[tuple[float, str]]  # places on the axis with their labels


def line_chart(lines: Lines, x_title: str, y_title: str, max_y: float, x_ticks: Ticks | None = None) -> str:
    """The lines, named on the right; points above `max_y` are left out. Without `x_ticks` the x axis has percent."""
    xs = [x for points in lines.values() for x, _ in points]
    low, high = min(xs), max(xs)

    def place(x: float, y: float) -> str:
        right = LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - y / max_y * (HEIGHT - BOTTOM - TOP)
        return f"{right:.1f},{down:.1f}"

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    parts.append(f'<path d="M{place(low, max_y)} L{place(low, 0)} L{place(high, 0)}" fill="none" stroke="#555"/>')
    for number in range(0, int(max_y) + 1, max(1, int(max_y) // 5)):
        x, y = place(low, number).split(",")
        parts.append(f'<text x="{float(x) - 8}" y="{float(y) + 4}" font-size="12" text-anchor="end">{number}</text>')
    for value, label in x_ticks or _percents(low, high):
        x, y = place(value, 0).split(",")
        parts.append(f'<text x="{x}" y="{float(y) + 16}" font-size="12" text-anchor="middle">{label}</text>')
    for index, (name, points) in enumerate(lines.items()):
        path = " ".join(place(x, y) for x, y in points if y <= max_y)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[index]}" stroke-width="2"/>')
        x, y = WIDTH - RIGHT + 16, TOP + 18 * (index + 1)
        parts.append(f'<text x="{x}" y="{y}" font-size="13" fill="{COLOURS[index]}">{name}</text>')
    across, middle = (LEFT + WIDTH - RIGHT) / 2, (HEIGHT - BOTTOM + TOP) / 2
    parts.append(f'<text x="{across}" y="{HEIGHT - 8}" font-size="13" text-anchor="middle">{x_title}</text>')
    parts.append(
        f'<text transform="translate(16 {middle}) rotate(-90)" font-size="13" text-anchor="middle">{y_title}</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _percents(low: float, high: float) -> Ticks:
    return [(number / 10, f"{number * 10} %") for number in range(math.ceil(low * 10), math.floor(high * 10) + 1)]
