"""Measures how reliable the estimates of a running service are: `python -m benchmarks.estimates --url URL`.

Each video is estimated just before it is requested. Sizes, lengths and steps vary, and up to two videos wait before it.
The table has the shares of videos that were finished within a multiple of the estimated times. `--diagram FILE.svg`
draws how often promised shares were kept.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.reliability import Share, diagram, report, shares_of_run_times
from jobs.queue.run_times import RunTime

PROMPT = "a large red circle moving to the right on a blue background"
MAX_WAITING = 3  # videos of this program that have not ended
POLL_S = 0.1
FACTORS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Estimated:
    """A video with its estimate: `p50` and `p90` in seconds, and the videos before it."""

    video_id: str
    p50: float
    p90: float
    position: int


def random_body(source: random.Random) -> dict[str, Any]:
    """A request of a random size, length and number of steps."""
    side = source.choice((64, 96))
    steps, frames = source.choice((2, 4, 8)), source.choice((8, 16))
    return {"prompt": PROMPT, "size": f"{side}x{side}", "num_frames": frames, "num_inference_steps": steps}


def run(client: httpx.Client, count: int, source: random.Random) -> Iterator[tuple[Estimated, float]]:
    """Requests `count` videos; yields each estimate with the seconds that the video took, in order of their ends."""
    pending: dict[str, Estimated] = {}
    requested_at: dict[str, float] = {}
    requested = 0
    while requested < count or pending:
        if requested < count and len(pending) < source.randint(1, MAX_WAITING):
            body, requested = random_body(source), requested + 1
            estimate = client.post("/v1/videos/estimate", json=body).raise_for_status().json()
            video_id = client.post("/v1/videos", json=body).raise_for_status().json()["id"]
            requested_at[video_id] = time.monotonic()
            eta = estimate["eta_s"] or {"p50": None, "p90": None}
            pending[video_id] = Estimated(video_id, eta["p50"], eta["p90"], estimate["position"])
        time.sleep(POLL_S)
        for video_id in list(pending):
            record = client.get(f"/v1/videos/{video_id}").raise_for_status().json()
            if record["status"] == "completed":
                yield pending.pop(video_id), time.monotonic() - requested_at.pop(video_id)


def run_time_of(client: httpx.Client, video_id: str) -> RunTime:
    """The time of a finished video on its worker, with the features of the fit."""
    record = client.get(f"/v1/videos/{video_id}").raise_for_status().json()
    attempt = client.get(f"/v1/videos/{video_id}/attempts").raise_for_status().json()["data"][-1]
    width, height = map(int, record["size"].split("x"))
    pixel_frames = float(width * height * record["num_frames"])
    calls = record["num_inference_steps"] * (2 if record["guidance_scale"] > 1 else 1)
    return RunTime(pixel_frames, pixel_frames * calls, attempt["ended_at"] - attempt["started_at"])


def reliability(client: httpx.Client, results: list[tuple[Estimated, float]]) -> dict[str, list[Share]]:
    """The shares of run times alone, in the order of their ends, and of whole estimates with the wait."""
    times = [run_time_of(client, one.video_id) for one, _ in results]
    within = [sum(seconds <= getattr(one, name) for one, seconds in results) for name in ("p50", "p90")]
    whole = [Share(level, hits, len(results)) for level, hits in zip((0.5, 0.9), within, strict=True)]
    return {"run time": shares_of_run_times(times), "whole estimate, p50 and p90": whole}


def table(results: list[tuple[Estimated, float]]) -> str:
    """The shares of videos within multiples of p50 and p90, and of both without and with a wait."""
    lines = ["| factor | within factor x p50 | within factor x p90 |", "| --- | --- | --- |"]
    lines += [f"| {x:g} | {_share(results, 'p50', x)} | {_share(results, 'p90', x)} |" for x in FACTORS]
    lines += ["", "| videos before it | videos | within p50 | within p90 |", "| --- | --- | --- | --- |"]
    for position in sorted({one.position for one, _ in results}):
        part = [(one, seconds) for one, seconds in results if one.position == position]
        lines.append(f"| {position} | {len(part)} | {_share(part, 'p50', 1)} | {_share(part, 'p90', 1)} |")
    return "\n".join(lines)


def _share(results: list[tuple[Estimated, float]], name: str, factor: float) -> str:
    within = sum(seconds <= factor * getattr(one, name) for one, seconds in results)
    return f"{100 * within / len(results):.0f} %"


def main() -> None:
    """Warms the estimates up, measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--videos", type=int, default=80)
    parser.add_argument("--before", type=int, default=20, help="videos before the measurement")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--diagram", type=Path, help="an SVG file to write")
    arguments = parser.parse_args()
    source = random.Random(arguments.seed)
    with httpx.Client(base_url=arguments.url, timeout=30) as client:
        list(run(client, arguments.before, source))
        results = []
        for one, seconds in run(client, arguments.videos, source):
            results.append((one, seconds))
            sys.stderr.write(f"{one.video_id} p50 {one.p50} p90 {one.p90} took {seconds:.1f} s\n")
        series = reliability(client, results)
    sys.stdout.write(f"{table(results)}\n\n{report(series)}\n")
    if arguments.diagram:
        arguments.diagram.write_text(diagram(series), encoding="utf-8")


if __name__ == "__main__":
    main()
