"""Draws the overview dashboard for docs/operations/observability.md: `python docs/dashboard_picture.py`.

A real Prometheus scrapes an installation with 20 workers without a model under a changing load. Each panel is drawn at
its place in the dashboard, from the results of its own queries. It is not a picture of Grafana.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from random import Random
from typing import Any

import httpx
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))  # it runs as a program

from benchmarks.capacity.installation import Installation, installation
from cli.stack.ports import free_port
from cli.stack.process import end_process, start_program
from deploy.observability.dashboards.boards import GRID, Board, Panel, places
from deploy.observability.dashboards.overview import OVERVIEW
from tests.deploy.programs import program

OUTPUT = Path(__file__).parent / "images" / "dashboard-overview.svg"
WORKERS, STEP_S, STEPS = 20, 0.5, 10
LOADS = ((0.5, 60.0), (1.6, 60.0), (0.4, 60.0))  # utilisation and seconds, one after the other
COLUMN, ROW, PAD = 44, 26, 8
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#7f7f7f", "#8c564b")
VARIABLES = {"$model": ".*", "$__rate_interval": "30s", "$__range": "180s"}
Series = list[tuple[str, list[tuple[float, float]]]]
Query = Callable[[str], list[Any]]


def apply_load(running: Installation) -> None:
    """Requests videos at random times, at each of `LOADS`."""
    random = Random(7)  # noqa: S311  the same load in each run
    headers = {"Authorization": f"Bearer {running.front_ends.secret}"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=60, trust_env=False) as client:
        for utilisation, seconds in LOADS:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                priority = random.choices(("high", "normal", "low"), (1, 8, 1))[0]
                body = {"prompt": "a red ball", "num_inference_steps": STEPS, "priority": priority}
                client.post("/v1/videos", json=body).raise_for_status()
                time.sleep(random.expovariate(utilisation * WORKERS / (STEPS * STEP_S)))


@contextmanager
def scraped(url: str) -> Iterator[Query]:
    """A Prometheus that reads the metrics of the API; yields a function that sends a query for the whole run."""
    began, address = time.time(), f"127.0.0.1:{free_port()}"
    target = {"job_name": "api", "static_configs": [{"targets": [url.removeprefix("http://")]}]}
    config = {"global": {"scrape_interval": "2s", "scrape_timeout": "2s"}, "scrape_configs": [target]}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "prometheus.yml").write_text(yaml.safe_dump(config))
        options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", "--log.level=error"]
        command = [program("prometheus"), *options, f"--web.listen-address={address}"]
        process = start_program(command, {"GOMAXPROCS": "1"})
        with httpx.Client(base_url=f"http://{address}", timeout=60, trust_env=False) as client:

            def query(expression: str) -> list[Any]:
                for name, value in VARIABLES.items():
                    expression = expression.replace(name, value)
                parameters: dict[str, Any] = {"query": expression, "start": began, "end": time.time(), "step": 2}
                answer = client.get("/api/v1/query_range", params=parameters).raise_for_status()
                return list(answer.json()["data"]["result"])

            try:
                yield query
            finally:
                end_process(process, 60)


def series_of(panel: Panel, query: Query) -> Series:
    """The lines of a panel by their legends."""
    found: Series = []
    for expression, legend in panel.queries:
        for result in query(expression):
            name = legend
            for label, value in result["metric"].items():
                name = name.replace(f"{{{{{label}}}}}", value)
            points = [(float(at), float(value)) for at, value in result["values"]]
            found.append((name, [(at, value) for at, value in points if value == value]))
    return [(name, points) for name, points in found if points]


def draw(board: Board, query: Query) -> str:
    """The dashboard as SVG."""
    parts, bottom = [], 0
    for place, item in places(board):
        x, y, width, height = place.x * COLUMN, place.y * ROW, place.w * COLUMN, place.h * ROW
        bottom = max(bottom, y + height)
        if isinstance(item, str):
            parts.append(f'<text x="{x + PAD}" y="{y + 18}" font-weight="bold">{escape(item)}</text>')
        else:
            content = _panel(item, series_of(item, query), width, height)
            parts += [f'<g transform="translate({x} {y})">', *content, "</g>"]
    size = f"0 0 {GRID * COLUMN} {bottom + PAD}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"


def _panel(panel: Panel, series: Series, width: int, height: int) -> list[str]:
    inner = f'x="3" y="3" width="{width - 6}" height="{height - 6}"'
    parts = [f'<rect {inner} fill="none" stroke="#bbb" rx="3"/>', _text(PAD + 2, 18, panel.title)]
    if not series:
        return [*parts, _text(PAD + 2, height / 2, "no data", "#999")]
    if panel.kind in ("stat", "table"):
        values = ", ".join(_number(points[-1][1], panel.unit) for _, points in series[:3])
        return [*parts, f'<text x="{PAD + 2}" y="{height - 30}" font-size="20">{escape(values)}</text>']
    return [*parts, *_lines(panel, series, width, height)]


def _lines(panel: Panel, series: Series, width: int, height: int) -> list[str]:
    times = [at for _, points in series for at, _ in points]
    low, high = min(times), max(times)
    top = panel.maximum or max(value for _, points in series for _, value in points) or 1.0
    left, right, upper, lower = 52, width - 14, 34, height - 26
    parts = [_text(PAD, upper + 4, _number(top, panel.unit), "#777"), _text(PAD, lower, "0", "#777")]
    parts.append(f'<path d="M{left} {upper} V{lower} H{right}" fill="none" stroke="#999"/>')
    legend = left
    for number, (name, points) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(
            f"{left + (at - low) / max(1.0, high - low) * (right - left):.1f},"
            f"{lower - min(value / top, 1.0) * (lower - upper):.1f}"
            for at, value in points
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if name and legend < right - 60:
            parts.append(_text(legend, height - 10, name, colour))
            legend += 12 + 7 * len(name)
    return parts


def _text(x: float, y: float, text: str, colour: str = "#222") -> str:
    return f'<text x="{x}" y="{y:.0f}" fill="{colour}">{escape(text)}</text>'


def _number(value: float, unit: str) -> str:
    suffix = {"s": " s", "percentunit": " %"}.get(unit, "")
    return f"{100 * value if unit == 'percentunit' else value:.3g}{suffix}"


def main() -> None:
    """Applies a load to an installation and draws its dashboard."""
    with installation(1, WORKERS, STEP_S) as running, scraped(running.url) as query:
        apply_load(running)
        OUTPUT.write_text(draw(OVERVIEW, query), encoding="utf-8")


if __name__ == "__main__":
    main()
