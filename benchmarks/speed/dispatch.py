"""The time of a video outside of the model, on an idle service.

Each video is requested when the one before has ended. Queue and dispatch are the time from its creation to its end
without the seconds of its phases. So they include the handover, the upload of the result and the commit.
"""

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx

from benchmarks.speed.goal import Goal, at_most

POLL_S = 0.05
BODY: dict[str, Any] = {
    "prompt": "a large red circle moving to the right on a blue background",
    "size": "96x96",
    "num_frames": 16,
}


@dataclass(frozen=True)
class Dispatched:
    """Seconds of a video: until a worker began, in the model, and after the model."""

    before_s: float
    model_s: float
    after_s: float

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "Dispatched":
        before = record["started_at"] - record["created_at"]
        running = record["completed_at"] - record["started_at"]
        return cls(before, record["inference_time_s"], running - record["inference_time_s"])

    @property
    def outside_s(self) -> float:
        return self.before_s + self.after_s


def run(client: httpx.Client, steps: int) -> Dispatched:
    """One video from its request to its end."""
    body = {**BODY, "num_inference_steps": steps, "seed": 1}
    video_id = client.post("/v1/videos", json=body).raise_for_status().json()["id"]
    while True:
        record = client.get(f"/v1/videos/{video_id}").raise_for_status().json()
        if record["status"] == "failed":
            raise RuntimeError(f"{video_id} failed: {record['error']}")
        if record["status"] == "completed":
            return Dispatched.of_record(record)
        time.sleep(POLL_S)


def goals_of(results: list[Dispatched]) -> list[Goal]:
    """The medians in milliseconds, beside one percent of the model's time and 20 ms."""
    before, model, after, outside = (
        median(getattr(each, name) for each in results) for name in ("before_s", "model_s", "after_s", "outside_s")
    )
    fastest = min(each.outside_s for each in results)
    more = (
        f"{1000 * before:.0f} ms before the model, {1000 * after:.0f} ms after it; at best {1000 * fastest:.0f} ms; "
        f"{len(results)} videos of {model:.2f} s in the model"
    )
    what = "queue and dispatch of a video: time outside of the model"
    return [at_most(what, round(1000 * outside), round(10 * model + 20), " ms", more)]


def measure(rounds: int, url: str, steps: int) -> list[Goal]:
    """`rounds` videos one after the other on an idle service, after one that loads the model."""
    with httpx.Client(base_url=url, timeout=30) as client:
        run(client, steps)
        return goals_of([run(client, steps) for _ in range(rounds)])
