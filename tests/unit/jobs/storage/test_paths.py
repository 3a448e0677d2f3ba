"""Keys of objects: a folder per job and attempt, and which objects are left over from other attempts."""

import pytest

from jobs.storage.paths import (
    attempts_prefix,
    checkpoint_prefix,
    content_type_of,
    input_key,
    is_leftover,
    job_of,
    job_prefixes,
    result_key,
)

KEY = "videos/video_1/2-ab12/video.mp4"


def test_a_result_is_in_the_folder_of_its_job_and_attempt() -> None:
    assert result_key("video_1", 2, "ab12", "video.mp4") == KEY
    assert attempts_prefix("video_1") == "videos/video_1/"


@pytest.mark.parametrize("other", [("video_2", 2, "ab12"), ("video_1", 1, "ab12"), ("video_1", 2, "ab13")])
def test_no_two_attempts_have_the_same_key(other: tuple[str, int, str]) -> None:
    assert result_key(*other, "video.mp4") != result_key("video_1", 2, "ab12", "video.mp4")


def test_the_id_of_a_job_is_in_each_of_its_keys() -> None:
    keys = [KEY, input_key("video_1", "image.png"), f"{checkpoint_prefix('video_1')}state"]
    assert {job_of(key) for key in keys} == {"video_1"}
    assert sorted(job_prefixes("video_1")) == ["checkpoints/video_1/", "inputs/video_1/", "videos/video_1/"]


@pytest.mark.parametrize(
    ("key", "video_key", "expected"),
    [
        (KEY, KEY, False),
        ("videos/video_1/2-ab12/segment-00000.ts", KEY, False),
        ("videos/video_1/1-ab12/video.mp4", KEY, True),
        ("videos/video_1/2-cd34/video.mp4", KEY, True),
        ("videos/video_1/2-ab1/video.mp4", KEY, True),
        (KEY, None, True),
        ("inputs/video_1/image.png", KEY, False),
        ("inputs/video_1/image.png", None, False),
        ("checkpoints/video_1/2-ab12/state", None, False),
        ("videos/video_1/notes.txt", None, False),
    ],
)
def test_only_the_folders_of_other_attempts_are_left_over(key: str, video_key: str | None, expected: bool) -> None:
    assert is_leftover(key, video_key) is expected


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("video.mp4", "video/mp4"),
        ("segment-00000.ts", "video/mp2t"),
        ("image.png", "image/png"),
        ("job.json", "application/json"),
        ("state", "application/octet-stream"),
    ],
)
def test_the_type_of_an_object_is_that_of_its_suffix(name: str, content_type: str) -> None:
    assert content_type_of(f"videos/video_1/2-ab12/{name}") == content_type
