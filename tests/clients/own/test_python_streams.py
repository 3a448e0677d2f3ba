"""The Python client follows videos and downloads them over connections that break."""

import asyncio
import dataclasses
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from easyanimate_client import (
    AsyncEasyAnimate,
    DownloadFailed,
    EasyAnimate,
    Event,
    Video,
    VideoDeleted,
    VideoFailed,
    WaitTimedOut,
    error_codes,
    errors,
)

from tests.clients.own.front_end import FILES, PREFIX, STEPS, VIDEO, FrontEnd
from tests.clients.own.interruptions import Interruptions
from tests.clients.wire import Wire

SMALL: Any = {"size": "64x64", "num_frames": 8, "num_inference_steps": 1}
EVENTS = ["state", "state", *["progress"] * STEPS, "state", "done"]


@pytest.fixture
def client(interrupted: Interruptions, service: FrontEnd) -> Iterator[EasyAnimate]:
    with EasyAnimate(interrupted.url + PREFIX, api_key=service.key) as client:
        yield client


@pytest.fixture(scope="module")
def video(service: FrontEnd) -> Video:
    """A completed video."""
    with EasyAnimate(service.url, api_key=service.key) as client:
        return client.videos.create_and_wait(prompt="a ball", **SMALL)


def kinds(events: list[Event]) -> list[str]:
    """The types of events without the sentences of the log."""
    return [event.type for event in events if event.type != "log"]


def test_the_events_lead_to_the_final_record(client: EasyAnimate) -> None:
    events: list[Event] = []
    video = client.videos.create_and_wait(prompt="a\u2028ball\u0085", on_event=events.append, **SMALL)
    assert (video.status, video.prompt) == ("completed", "a\u2028ball\u0085")
    assert kinds(events) == EVENTS
    assert events[-1].video is not None
    assert events[-1].video.id == video.id


@pytest.mark.parametrize("cut", [0, 250, 400, 700])
def test_an_interrupted_event_stream_continues_after_the_last_event(
    client: EasyAnimate, interrupted: Interruptions, video: Video, cut: int
) -> None:
    interrupted.cuts.extend([cut, cut + 200])
    assert kinds(list(client.videos.events(video.id))) == EVENTS
    assert len(interrupted.requests) == 3


def test_events_continue_after_an_id(client: EasyAnimate, video: Video) -> None:
    events = list(client.videos.events(video.id))
    rest = list(client.videos.events(video.id, last_event_id=events[2].id))
    assert [event.id for event in rest] == [event.id for event in events[3:]]
    assert list(client.videos.events(video.id, last_event_id=events[-1].id)) == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [(404, {}), (200, {"content-type": "text/html"}), (403, {}), (405, {}), (302, {"location": "/"})],
)
def test_without_an_event_stream_the_record_is_polled(
    service: FrontEnd, faulty: Wire, video: Video, status: int, headers: dict[str, str]
) -> None:
    faulty.faults.append(lambda real: dataclasses.replace(real, status=status, headers=headers, response=b""))
    with EasyAnimate(faulty.url + PREFIX, api_key=service.key) as client:
        assert client.videos.wait(video.id).id == video.id
    path = f"GET {PREFIX}/v1/videos/{video.id}"
    assert faulty.lines() == [f"{path}/events", path]


def test_polls_have_the_advised_pace(service: FrontEnd, faulty: Wire) -> None:
    with EasyAnimate(faulty.url + PREFIX, api_key=service.key) as client:
        video = client.videos.create(prompt="wait", **SMALL)
        faulty.clear()
        with pytest.raises(WaitTimedOut, match=video.id):
            client.videos.wait(video.id, timeout_s=3.0)
        client.videos.delete(video.id)
    *polls, _ = faulty.exchanges
    assert {int(poll.headers["openai-poll-after-ms"]) for poll in polls} <= set(range(500, 5001, 500))
    assert 1 <= len(polls) <= 7


def test_a_failed_video_is_an_error_with_its_record(client: EasyAnimate) -> None:
    with pytest.raises(VideoFailed, match="gpu_out_of_memory") as failure:
        client.videos.create_and_wait(prompt="fail", **SMALL)
    assert (failure.value.video.status, failure.value.is_retryable) == ("failed", True)


def test_a_video_that_is_deleted_meanwhile_is_an_error(client: EasyAnimate) -> None:
    video = client.videos.create(prompt="wait", **SMALL)

    def delete(event: Event) -> None:
        if event.type == "state":
            client.videos.delete(video.id)

    with pytest.raises(VideoDeleted, match=video.id):
        client.videos.wait(video.id, on_event=delete)


def test_an_error_of_the_callback_is_not_hidden(client: EasyAnimate) -> None:
    video = client.videos.create(prompt="wait", **SMALL)
    with pytest.raises(error_codes.VideoNotReady):
        client.videos.wait(video.id, on_event=lambda _: client.videos.preview(video.id))


def test_a_wait_ends_after_its_timeout_and_the_video_continues(client: EasyAnimate) -> None:
    with pytest.raises(WaitTimedOut) as failure:
        client.videos.create_and_wait(prompt="wait", timeout_s=0.1, **SMALL)
    assert client.videos.cancel(failure.value.video_id).state == "cancelled"


@pytest.mark.parametrize("cuts", [[], [0], [200], [50_000], [1000, 100_000, 150_000], [0, 0, 0, 0]])
def test_an_interrupted_download_continues_where_it_ended(
    client: EasyAnimate, interrupted: Interruptions, video: Video, tmp_path: Path, cuts: list[int]
) -> None:
    interrupted.cuts.extend(cuts)
    client.videos.download(video, tmp_path / "ball.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["ball.mp4"]
    assert (tmp_path / "ball.mp4").read_bytes() == VIDEO
    ranges = [b"if-range: " in request.lower() for request in interrupted.requests]
    assert ranges == [False, *(sum(cuts[: n + 1]) > 400 for n in range(len(cuts)))]


def test_a_download_that_breaks_too_often_leaves_no_file(
    client: EasyAnimate, interrupted: Interruptions, video: Video, tmp_path: Path
) -> None:
    interrupted.cuts.extend([0] * 5)
    with pytest.raises(errors.ConnectionFailed):
        client.videos.download(video, tmp_path / "ball.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_another_digest_is_refused_and_an_older_one_stays(
    client: EasyAnimate, video: Video, tmp_path: Path
) -> None:
    (tmp_path / "ball.mp4").write_bytes(b"older")
    with pytest.raises(DownloadFailed, match="SHA-256"):
        client.videos.download(dataclasses.replace(video, content_sha256="0" * 64), tmp_path / "ball.mp4")
    assert (tmp_path / "ball.mp4").read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_download_that_is_refused_once_is_repeated(service: FrontEnd, faulty: Wire, video: Video) -> None:
    faulty.faults.append(lambda real: dataclasses.replace(real, status=503, headers={"retry-after": "0"}))
    with EasyAnimate(faulty.url + PREFIX, api_key=service.key) as client:
        out = BytesIO()
        client.videos.download(video, out)
    assert out.getvalue() == VIDEO


@pytest.mark.parametrize(
    ("variant", "name"), [("thumbnail", "thumbnail.webp"), ("spritesheet", "spritesheet.jpg"), ("video", "video.mp4")]
)
def test_each_file_of_a_video_is_read(client: EasyAnimate, video: Video, variant: Any, name: str) -> None:
    assert b"".join(client.videos.content(video.id, variant=variant)) == FILES[name]


def test_preview_and_manifest_are_read(client: EasyAnimate, video: Video) -> None:
    assert client.videos.preview(video.id) == FILES["thumbnail.webp"]
    assert client.videos.manifest(video.id) == {"seed": 7}


def test_attempts_deliveries_and_tickets_are_records(service: FrontEnd, client: EasyAnimate, video: Video) -> None:
    (attempt,) = client.videos.attempts(video.id).data
    assert (attempt.worker, attempt.outcome) == ("worker-1", "completed")
    assert client.videos.deliveries(video.id).data == []
    ticket = client.videos.create_ticket(video.id).ticket
    events = httpx.get(f"{service.url}/v1/videos/{video.id}/events", params={"ticket": ticket}, timeout=60)
    assert events.status_code == 200
    with pytest.raises(error_codes.PlaylistNotFound):
        client.videos.playlist(video.id)


def test_the_asynchronous_client_continues_too(
    service: FrontEnd, interrupted: Interruptions, video: Video, tmp_path: Path
) -> None:
    async def run() -> None:
        async with AsyncEasyAnimate(interrupted.url + PREFIX, api_key=service.key) as client:
            interrupted.cuts.extend([300, 90_000, 250])
            events = [event async for event in client.videos.events(video.id)]
            assert kinds(events) == EVENTS
            await client.videos.download(video.id, tmp_path / "ball.mp4")

    asyncio.run(run())
    assert (tmp_path / "ball.mp4").read_bytes() == VIDEO
