"""The shots in the record of a film."""

import pytest

from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.request import ShotRequest, VideoRequest
from jobs.model.states import Phase, State
from service.schemas.video import to_video
from tests.small_result import small_result

SHOTS = tuple(ShotRequest(prompt="a", num_frames=8 * n, seed=n, num_windows=n) for n in (1, 2, 1))
REQUEST = VideoRequest(
    model="tiny", prompt="a\na\na", width=128, height=128, num_frames=32, fps=24, num_inference_steps=10,
    guidance_scale=4.0, scheduler="euler", seed=7, shots=SHOTS,
)  # fmt: skip
JOB = Job(id="video_1", owner="local", request=REQUEST, created_at=1000.7)


def statuses(job: Job) -> list[str]:
    return [shot.status for shot in to_video(job).shots or ()]


def test_a_film_has_a_record_of_each_shot_with_its_place_and_its_windows() -> None:
    shots = to_video(JOB).shots or []
    assert [shot.model_dump() for shot in shots[:2]] == [
        {"index": 0, "status": "queued", "first_frame": 0, "num_frames": 8, "windows": 1, "windows_reused": 0},
        {"index": 1, "status": "queued", "first_frame": 8, "num_frames": 16, "windows": 2, "windows_reused": 0},
    ]
    assert shots[2].first_frame == 24


def test_the_record_of_a_completed_film_counts_its_reused_windows() -> None:
    result = small_result("a/b", num_windows=4, reused_windows=(0, 2))
    video = to_video(JOB.evolve(state=State.COMPLETED, result=result))
    assert (video.windows_made, video.windows_reused) == (2, 2)
    assert [shot.windows_reused for shot in video.shots or ()] == [1, 1, 0]
    older = to_video(JOB.evolve(state=State.COMPLETED, result=result.model_copy(update={"num_windows": 0})))
    assert (older.windows_made, older.windows_reused) == (None, None)


def test_a_video_of_one_prompt_has_no_shots() -> None:
    assert to_video(JOB.evolve(request=REQUEST.model_copy(update={"shots": ()}))).shots is None


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, ["in_progress", "queued", "queued"]),
        (10, ["in_progress", "queued", "queued"]),  # its frames are decoded before the next step
        (11, ["completed", "in_progress", "queued"]),
        (30, ["completed", "in_progress", "queued"]),
        (31, ["completed", "completed", "in_progress"]),
    ],
)
def test_a_shot_is_completed_when_the_next_one_has_begun(step: int, expected: list[str]) -> None:
    job = JOB.evolve(state=State.RUNNING, phase=Phase.DENOISING, step=step, total_steps=40)
    assert statuses(job) == expected


def test_the_last_shot_is_in_progress_while_the_film_is_decoded_and_stored() -> None:
    for phase in (Phase.DECODING, Phase.MUXING, Phase.UPLOADING):
        job = JOB.evolve(state=State.RUNNING, phase=phase, step=3, total_steps=32)
        assert statuses(job) == ["completed", "completed", "in_progress"]


def test_all_shots_of_a_completed_film_are_completed() -> None:
    assert statuses(JOB.evolve(state=State.COMPLETED)) == ["completed"] * 3


def test_unfinished_shots_of_a_cancelled_film_have_failed() -> None:
    job = JOB.evolve(state=State.CANCELLED, failure=failure("cancelled"), step=15, total_steps=40)
    assert statuses(job) == ["completed", "failed", "failed"]
