"""A whole journey with a real S3 server: an image goes in, a video comes out, and its links are those of S3."""

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from cli.stack.stack import LocalStack
from easyanimate.files.video_file import probe
from jobs.settings import S3Settings
from tests.stack_plan import stack_plan


@pytest.fixture(scope="module")
def client(
    s3_settings: S3Settings, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of the running service."""
    folder = tmp_path_factory.mktemp("on-s3")
    assert s3_settings.secret_access_key
    environment = {
        "EASYANIMATE_STORAGE": "s3",
        "EASYANIMATE_S3__BUCKET": s3_settings.bucket,
        "EASYANIMATE_S3__ENDPOINT_URL": str(s3_settings.endpoint_url),
        "EASYANIMATE_S3__ACCESS_KEY_ID": str(s3_settings.access_key_id),
        "EASYANIMATE_S3__SECRET_ACCESS_KEY": s3_settings.secret_access_key.get_secret_value(),
        "EASYANIMATE_S3__ADDRESSING_STYLE": s3_settings.addressing_style,
    }
    plan = stack_plan(folder, models_dir, environment)
    stack = LocalStack(plan).start()
    try:
        with httpx.Client(base_url=stack.url, timeout=30) as client:
            yield client
    finally:
        stack.stop()


def finished(client: httpx.Client, video_id: str) -> dict[str, Any]:
    """The final record of a video."""
    for _ in range(600):
        record: dict[str, Any] = client.get(f"/v1/videos/{video_id}").json()
        if record["status"] in ("completed", "failed"):
            return record
        time.sleep(0.2)
    raise AssertionError(f"{video_id} does not end: {record}")


@pytest.fixture(scope="module")
def video(client: httpx.Client) -> dict[str, Any]:
    """A video with a start image."""
    picture = BytesIO()
    Image.new("RGB", (80, 60), "teal").save(picture, "PNG")
    request = {"prompt": "a red fox", "size": "64x64", "num_frames": "8", "num_inference_steps": "2"}
    answer = client.post("/v1/videos", data=request, files={"image": picture.getvalue()})
    return finished(client, answer.json()["id"])


def test_the_link_of_a_finished_video_is_the_buckets_and_plays(
    video: dict[str, Any], s3_settings: S3Settings, tmp_path: Path
) -> None:
    assert video["url"].startswith(str(s3_settings.endpoint_url))
    (tmp_path / "video.mp4").write_bytes(httpx.get(video["url"]).content)
    info = probe(tmp_path / "video.mp4")
    assert (info.num_frames, info.width, info.height, info.fps) == (8, 64, 64, 8)


def test_the_api_serves_a_range_of_the_video(client: httpx.Client, video: dict[str, Any]) -> None:
    whole = httpx.get(video["url"]).content
    part = client.get(f"/v1/videos/{video['id']}/content", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])


def test_a_video_in_the_bucket_can_be_continued(client: httpx.Client, video: dict[str, Any]) -> None:
    request = {"prompt": "it runs", "video": {"id": video["id"]}, "num_frames": 8}
    longer = finished(client, client.post("/v1/videos/extensions", json=request).json()["id"])
    assert (longer["status"], longer["num_frames"]) == ("completed", 16)


def test_deleting_a_video_deletes_its_object_in_the_bucket(client: httpx.Client) -> None:
    request = {"prompt": "a red fox", "size": "64x64", "num_frames": 8, "num_inference_steps": 1}
    record = finished(client, client.post("/v1/videos", json=request).json()["id"])
    client.delete(f"/v1/videos/{record['id']}")
    assert httpx.get(record["url"]).status_code == 404
