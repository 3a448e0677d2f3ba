"""From a request to an MP4 through real processes: API, Redis, worker with the small model, keeper, storage."""

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread
from typing import Any

import av
import pytest
from PIL import Image
from standardwebhooks.webhooks import Webhook

from cli.stack.stack import LocalStack
from tests.e2e.conftest import ENDLESS

WaitUntil = Callable[..., None]
SECRET = "whsec_" + "c2VjcmV0" * 5


def worker_pid(stack: LocalStack) -> int:
    process = stack.children["worker"].process
    assert process is not None
    return process.pid


def is_denoising(api: Any, video_id: str) -> Callable[[], bool]:
    return lambda: bool(api.get(video_id)["step"] >= 2)


def test_a_request_becomes_an_mp4_of_the_requested_frames(api: Any) -> None:
    video_id = api.create(size="96x64", num_frames=24)
    assert api.ended(video_id)["status"] == "completed"
    content = api.http.get(f"/v1/videos/{video_id}/content").raise_for_status().content
    with av.open(io.BytesIO(content)) as video:
        stream = video.streams.video[0]
        frames = sum(1 for _ in video.decode(stream))
        assert (frames, stream.width, stream.height, stream.average_rate) == (24, 96, 64, 8)


def test_progress_is_reported_step_by_step(api: Any) -> None:
    video_id = api.create(num_inference_steps=100)
    reports: list[tuple[int, int]] = []
    while (record := api.get(video_id))["status"] not in ("completed", "failed"):
        if record["phase"] == "denoising":
            reports.append((record["step"], record["progress"]))
    assert reports == sorted(reports)
    lines = api.http.get(f"/v1/videos/{video_id}/events").text.splitlines()
    events = [json.loads(data.removeprefix("data: ")) for name, data in pairwise(lines) if name == "event: progress"]
    steps = [event["step"] for event in events if event["phase"] == "denoising"]
    assert steps == sorted(steps)
    assert len(set(steps)) > 10


def test_an_image_becomes_a_video(api: Any) -> None:
    image = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(image, "PNG")
    fields = {"prompt": "a red field", "size": "64x64", "num_frames": "16", "num_inference_steps": "2"}
    response = api.http.post("/v1/videos", data=fields, files={"image": ("start.png", image.getvalue())})
    assert api.ended(response.raise_for_status().json()["id"])["status"] == "completed"


def test_the_same_seed_makes_the_same_file(api: Any) -> None:
    first, again = (api.ended(api.create(seed=11))["unsigned_sha256"] for _ in range(2))
    assert first == again


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], str]]]]:
    """A webhook receiver: its address, and the received deliveries."""
    received: list[tuple[dict[str, str], str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    server.server_close()


def test_the_webhook_of_a_completed_video_is_delivered_once(
    api: Any, receiver: tuple[str, list[Any]], wait_until: WaitUntil
) -> None:
    url, received = receiver
    video_id = api.create(webhook={"url": url, "secret": SECRET})
    wait_until(lambda: received)
    assert api.get(video_id)["status"] == "completed"
    api.ended(api.create())  # time for a possible second delivery
    [(headers, body)] = received
    event = Webhook(SECRET).verify(body, headers)
    assert (event["type"], event["data"]["id"]) == ("video.completed", video_id)


def test_cancel_stops_the_engine_within_a_step_or_two(api: Any, wait_until: WaitUntil) -> None:
    video_id = api.create(**ENDLESS)
    wait_until(is_denoising(api, video_id))
    at = api.http.post(f"/v1/videos/{video_id}/cancel").raise_for_status().json()["step"]
    ended = api.ended(video_id)
    assert (ended["state"], ended["error"]["code"]) == ("cancelled", "cancelled")
    assert ended["step"] <= at + 10
    assert api.ended(api.create())["status"] == "completed"


def test_a_delete_during_a_run_leaves_no_files_and_the_next_job_runs(
    api: Any, stack: LocalStack, wait_until: WaitUntil
) -> None:
    video_id = api.create(**ENDLESS)
    wait_until(is_denoising(api, video_id))
    pid = worker_pid(stack)
    assert api.http.delete(f"/v1/videos/{video_id}").raise_for_status().json()["deleted"]
    assert api.http.get(f"/v1/videos/{video_id}").status_code == 404
    assert api.ended(api.create())["status"] == "completed"
    assert worker_pid(stack) == pid
    assert not list((stack.plan.data_dir / "objects" / "videos").glob(f"{video_id}*"))


def test_a_killed_worker_loses_no_jobs(api: Any, stack: LocalStack, wait_until: WaitUntil) -> None:
    points = stack.plan.data_dir.parent / "points"
    (points / "worker.made").write_text("the worker waits here with its video")
    running, waiting = api.create(num_inference_steps=40), api.create()
    wait_until((points / "worker.made.held").exists)
    os.kill(worker_pid(stack), signal.SIGKILL)
    (points / "worker.made.held").unlink()
    ended = api.ended(running)
    assert (ended["status"], ended["attempt"]) == ("completed", 2)
    assert api.ended(waiting)["status"] == "completed"
