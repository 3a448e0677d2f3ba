"""Draws a preemption for docs/guides/api.md: `python docs/preemption_picture.py`.

It starts the service with the small model and one worker, makes a long video of low priority and an urgent one, and
draws their attempts.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))  # it runs as a program

from cli.stack.ports import free_port
from cli.stack.stack import LocalStack, StackPlan

OUTPUT = Path(__file__).parent / "images" / "preemption.svg"
WIDTH, LEFT, RIGHT, ROW, TOP = 980, 190, 20, 62, 30
FONT = 'font-family="sans-serif" font-size="13"'
COLOURS = {"preempted": "#d62728", "completed": "#2ca02c"}
STOP_AT_STEP = 20
WAIT_S = 0.1  # between two looks at the running video
PROMPT = "a large red circle moving to the right on a blue background"
SMALL = {"size": "64x64", "num_frames": 16, "seed": 7}
LONG = SMALL | {"prompt": PROMPT, "num_inference_steps": 60, "priority": "low"}
URGENT = SMALL | {"prompt": "a small green square", "num_inference_steps": 20, "priority": "high"}
Video = Mapping[str, Any]  # a record, with its `attempts`


def record() -> list[Video]:
    """Both videos, after they were made."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        folders = {"data_dir": folder / "data", "models_dir": folder / "models", "logs": folder / "logs"}
        environment = {"EASYANIMATE_PREEMPTION": "priority"}
        stack = LocalStack(StackPlan(**folders, model="easyanimate-v3-tiny", port=port, environment=environment))
        try:
            stack.start()
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as api:
                return _make_both(api)
        finally:
            stack.stop()


def _make_both(api: httpx.Client) -> list[Video]:
    first = api.post("/v1/videos", json=LONG).raise_for_status().json()["id"]
    while api.get(f"/v1/videos/{first}").raise_for_status().json()["step"] < STOP_AT_STEP:
        time.sleep(WAIT_S)
    second = api.post("/v1/videos", json=URGENT).raise_for_status().json()["id"]
    return [_finished(api, video_id) for video_id in (first, second)]


def _finished(api: httpx.Client, video_id: str) -> Video:
    while True:
        video = api.get(f"/v1/videos/{video_id}", headers={"Prefer": "wait=50"}).raise_for_status().json()
        if video["completed_at"] is not None:
            return video | {"attempts": api.get(f"/v1/videos/{video_id}/attempts").raise_for_status().json()["data"]}


def draw(videos: list[Video]) -> str:
    """A row for each video: bars of its attempts, and light ones of its waits."""
    attempts = [attempt for video in videos for attempt in video["attempts"]]
    begin, end = min(one["started_at"] for one in attempts), max(one["ended_at"] for one in attempts)
    height = TOP + ROW * len(videos)

    def x(at: float) -> float:
        return LEFT + (max(at, begin) - begin) / (end - begin) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *(f'<text x="{x(begin + s):.1f}" y="18" fill="#777">{s} s</text>' for s in range(0, int(end - begin) + 1, 5)),
    ]
    for row, video in enumerate(videos):
        parts += _row(video, TOP + ROW * row, x)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(video: Video, top: float, x: Callable[[float], float]) -> list[str]:
    parts = [f'<text x="12" y="{top + 20}">priority {escape(video["priority"])}</text>']
    waits_since = video["created_at"]
    for attempt in video["attempts"]:
        left, right = x(attempt["started_at"]), x(attempt["ended_at"])
        wait_from, colour = min(left, x(waits_since)), COLOURS.get(attempt["outcome"], "#777")
        label = f"step {attempt['step']} of {attempt['total_steps']}, {attempt['outcome']}"
        if attempt["resumed_step"] is not None:
            label = f"from step {attempt['resumed_step']}: {label}"
        parts += [
            f'<rect x="{wait_from:.1f}" y="{top + 10}" width="{left - wait_from:.1f}" height="8" fill="#ddd"/>',
            f'<rect x="{left:.1f}" y="{top + 6}" width="{right - left:.1f}" height="16" fill="{colour}"/>',
            f'<text x="{left:.1f}" y="{top + 38}" fill="{colour}">{escape(label)}</text>',
        ]
        waits_since = attempt["ended_at"]
    return parts


def main() -> None:
    """Records a preemption and draws it."""
    OUTPUT.write_text(draw(record()), encoding="utf-8")


if __name__ == "__main__":
    main()
