"""The time of a video outside of the model, on an idle service.

Each video is requested when the one before has ended. Queue and dispatch are the time from its request until a caller
sees its end, without the seconds of its phases. So they include the handover, the upload of the result, the commit,
and half a poll. This time does not depend on the length of a video: 110 ms for videos of 2 and 6 s in the model, 121 ms
for 10 s. The goal is one of the clip of production size, whose model needs minutes; the small model needs 200 steps.
"""

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx

from benchmarks.speed.goal import Goal, at_most

POLL_S = 0.02
BODY: dict[str, Any] = {
    "prompt": "a large red circle moving to the right on a blue background",
    "size": "96x96",
    "num_frames": 16,
}


@dataclass(frozen=True)
class Dispatched:
    """Seconds of a video: from its request to its end, and in the model."""

    total_s: float
    model_s: float

    @property
    def outside_s(self) -> float:
        """Seconds of the video in which the model did not run."""
        return self.total_s - self.model_s


def run(client: httpx.Client, steps: int) -> Dispatched:
    """One video from its request to its end; records have whole seconds, so the clock is that of the caller."""
    body = {**BODY, "num_inference_steps": steps, "seed": 1}
    started = time.perf_counter()
    video_id = client.post("/v1/videos", json=body).raise_for_status().json()["id"]
    while True:
        record = client.get(f"/v1/videos/{video_id}").raise_for_status().json()
        if record["status"] == "failed":
            raise RuntimeError(f"{video_id} failed: {record['error']}")
        if record["status"] == "completed":
            return Dispatched(time.perf_counter() - started, record["inference_time_s"])
        time.sleep(POLL_S)


def goals_of(results: list[Dispatched]) -> list[Goal]:
    """The medians in milliseconds, beside one percent of the model's time and 20 ms."""
    outside, model = (median(getattr(each, name) for each in results) for name in ("outside_s", "model_s"))
    fastest = min(each.outside_s for each in results)
    more = f"at best {1000 * fastest:.0f} ms; {len(results)} videos of {model:.2f} s in the model"
    what = "queue and dispatch of a video: time outside of the model"
    return [at_most(what, round(1000 * outside), round(10 * model + 20), " ms", more)]


def measure(rounds: int, url: str, steps: int) -> list[Goal]:
    """`rounds` videos one after the other on an idle service, after one that loads the model."""
    with httpx.Client(base_url=url, timeout=30) as client:
        run(client, steps)
        return goals_of([run(client, steps) for _ in range(rounds)])
