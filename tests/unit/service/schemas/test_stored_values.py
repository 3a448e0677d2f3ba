"""A stored value with any change is unreadable, or its owner can be shown it: a list never fails for one record."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs.errors import RecordUnreadable
from jobs.model.job import Job, Result
from jobs.model.request import VideoRequest
from jobs.model.states import State
from jobs.model.stored import StoredModel, dump_stored, parse_stored, parse_stored_hash
from jobs.storage.uploads import Upload
from jobs.webhooks.endpoints import Endpoint, LastDelivery
from jobs.webhooks.outbox import event_data
from service.schemas.file import to_file
from service.schemas.video import to_video
from service.schemas.webhook import to_endpoint

NOW = 1.8e9
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**30, 1e300, float("inf"), float("-inf"), float("nan")),
    *("", "x", "\ud800", [], [1], {}, {"a": 1}),
)
REQUEST = VideoRequest(
    model="m", prompt="p", width=128, height=128, num_frames=16, fps=24, num_inference_steps=4, guidance_scale=4.0,
    scheduler="euler", seed=7,
)  # fmt: skip
RESULT = Result(
    video_key="v", content_type="video/mp4", size_bytes=1, content_sha256="0" * 64, inference_time_s=1.0,
    peak_memory_mb=1.0, phase_seconds={"denoising": 1.0},
)  # fmt: skip
QUEUED = Job(id="video_1", owner="me", request=REQUEST, created_at=1e9)
RUNNING = QUEUED.evolve(state=State.RUNNING, attempt=1, token="t", worker="w", started_at=1.1e9, deadline=2e9)
COMPLETED = QUEUED.evolve(state=State.COMPLETED, started_at=1.1e9, completed_at=1.2e9, expires_at=2e9, result=RESULT)
UPLOAD = Upload(
    id="file-1", owner="me", filename="a.png", purpose="vision", kind="picture", extension="png", size_bytes=1,
    content_sha256="0" * 64, width=1, height=1, created_at=1e9, expires_at=2e9,
)  # fmt: skip
ENDPOINT = Endpoint(
    id="we_1", owner="me", name="n", url="https://a.example", event_types=("video.completed",), created_at=1e9,
    secret=f"whsec_{'A' * 32}", updated_at=1e9,
)  # fmt: skip


def changed(value: Any) -> Iterator[Any]:
    """The JSON value with each part replaced by each of the values."""
    yield from VALUES
    for name in value if isinstance(value, dict) else ():
        yield from ({**value, name: part} for part in changed(value[name]))


def can_be_shown(read: Callable[[], Any], show: Callable[[Any], object]) -> bool:
    """Whether the value can be read; then it can be shown, too."""
    try:
        value = read()
    except RecordUnreadable:
        return False
    show(value)
    return True


def show_job(job: Job) -> None:
    to_video(job).model_dump_json()
    event_data(job, "video.progress")
    assert job.is_late(NOW) in (True, False)
    assert job.has_expired(NOW) in (True, False)


@pytest.mark.parametrize("job", [QUEUED, RUNNING, COMPLETED], ids=lambda job: str(job.state))
def test_a_changed_record_is_unreadable_or_can_be_shown(job: Job) -> None:
    fields = job.to_hash()
    shown = []
    for name, text in fields.items():
        for value in changed(json.loads(text)):
            row = {key.encode(): content.encode() for key, content in {**fields, name: json.dumps(value)}.items()}
            shown.append(can_be_shown(lambda row=row: Job.from_hash(row), show_job))  # type: ignore[misc]
    assert True in shown
    assert False in shown


@pytest.mark.parametrize(
    ("kind", "stored", "show"),
    [(Upload, UPLOAD, to_file), (Endpoint, ENDPOINT, lambda endpoint: to_endpoint(endpoint, LastDelivery(), NOW))],
)
def test_a_changed_file_or_endpoint_is_unreadable_or_can_be_shown(
    kind: type[StoredModel], stored: StoredModel, show: Callable[[Any], Any]
) -> None:
    for value in changed(dump_stored(stored)):
        text = json.dumps(value)
        can_be_shown(lambda text=text: parse_stored(kind, text), lambda read: show(read).model_dump_json())  # type: ignore[misc]


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e999", "", "x"])
def test_results_of_an_endpoint_without_a_finite_time_are_unreadable(text: str) -> None:
    with pytest.raises(RecordUnreadable):
        parse_stored_hash(LastDelivery, {b"last_success_at": text.encode()})
