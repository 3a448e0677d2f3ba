"""A whole journey with a real S3 server: an image goes in, a video comes out, and its links are those of S3."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import boto3
import httpx
import pytest
from PIL import Image
from redis import Redis

from cli.stack.stack import LocalStack
from easyanimate.files.video_file import probe
from easyanimate.provenance.credentials import local_chain
from easyanimate.provenance.segment_list import read_segment_list
from jobs.settings import S3Settings
from service.routes.videos.playlist import LIST_TAG
from tests.stack_plan import stack_plan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the service, with its data and logs."""
    return tmp_path_factory.mktemp("on-s3")


@pytest.fixture(scope="module")
def stack(s3_settings: S3Settings, models_dir: Path, folder: Path) -> Iterator[LocalStack]:
    """The running service."""
    assert s3_settings.secret_access_key
    environment = {
        "EASYANIMATE_STORAGE": "s3",
        "EASYANIMATE_S3__BUCKET": s3_settings.bucket,
        "EASYANIMATE_S3__ENDPOINT_URL": str(s3_settings.endpoint_url),
        "EASYANIMATE_S3__ACCESS_KEY_ID": str(s3_settings.access_key_id),
        "EASYANIMATE_S3__SECRET_ACCESS_KEY": s3_settings.secret_access_key.get_secret_value(),
        "EASYANIMATE_S3__ADDRESSING_STYLE": s3_settings.addressing_style,
        "EASYANIMATE_WEBHOOK_ALLOW_PRIVATE": "true",
        "EASYANIMATE_REUSE_WINDOWS": "on",
    }
    plan = stack_plan(folder, models_dir, environment)
    stack = LocalStack(plan).start()
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def client(stack: LocalStack) -> Iterator[httpx.Client]:
    """A client of the running service."""
    with httpx.Client(base_url=stack.url, timeout=120) as client:
        yield client


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
    (tmp_path / "video.mp4").write_bytes(httpx.get(video["url"], timeout=60).content)
    info = probe(tmp_path / "video.mp4")
    assert (info.num_frames, info.width, info.height, info.fps) == (8, 64, 64, 8)


def test_the_api_serves_a_range_of_the_video(client: httpx.Client, video: dict[str, Any]) -> None:
    whole = httpx.get(video["url"], timeout=60).content
    part = client.get(f"/v1/videos/{video['id']}/content", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])


def check(client: httpx.Client, data: bytes) -> list[tuple[str, str, str | None]]:
    """Type, status and video id of the results of a check."""
    answer = client.post("/v1/content_provenance_checks", files={"file": ("video.mp4", data)}).raise_for_status()
    return [(each["type"], each["status"], each["video_id"]) for each in answer.json()["results"]]


def test_a_video_from_ranges_is_recognized_and_a_changed_one_is_not(
    client: httpx.Client, video: dict[str, Any]
) -> None:
    path = f"/v1/videos/{video['id']}/content"
    size = int(client.head(path).headers["content-length"])
    spans = [(begin, min(begin + 4096, size) - 1) for begin in range(0, size, 4096)]
    data = b"".join(client.get(path, headers={"Range": f"bytes={first}-{last}"}).content for first, last in spans)
    assert hashlib.sha256(data).hexdigest() == video["content_sha256"] != video["unsigned_sha256"]
    assert check(client, data) == [
        ("c2pa", "valid", video["id"]),
        ("xmp", "valid", None),
        ("aigc", "absent", None),
        ("known_digest", "valid", video["id"]),
    ]
    changed = data.replace(b"trainedAlgorithmicMedia", b"digitalCapture_________")
    assert check(client, changed)[0][1] == "altered"


@pytest.mark.parametrize("variant", ["thumbnail", "spritesheet"])
def test_the_images_of_a_video_are_marked(client: httpx.Client, video: dict[str, Any], variant: str) -> None:
    image = client.get(f"/v1/videos/{video['id']}/content?variant={variant}").content
    assert check(client, image)[0] == ("c2pa", "valid", video["id"])


def test_an_extension_is_marked_with_its_parent_and_its_segments(
    client: httpx.Client, video: dict[str, Any], folder: Path
) -> None:
    request = {"prompt": "it runs", "video": {"id": video["id"]}, "num_frames": 8}
    longer = finished(client, client.post("/v1/videos/extensions", json=request).json()["id"])
    assert (longer["status"], longer["num_frames"]) == ("completed", 16)
    lines = client.get(f"/v1/videos/{longer['id']}/playlist.m3u8").text.splitlines()
    (tag,) = [line for line in lines if line.startswith(LIST_TAG)]
    signed = read_segment_list(httpx.get(tag.split('"')[1], timeout=60).content)
    segments = [httpx.get(line, timeout=60).content for line in lines if not line.startswith("#")]
    assert [each.sha256 for each in signed.segments] == [hashlib.sha256(data).hexdigest() for data in segments]
    assert signed.check(local_chain(folder / "data") or "").status == "valid"
    parent = client.get(f"/v1/videos/{longer['id']}/content").content
    assert check(client, parent)[0] == ("c2pa", "valid", longer["id"])
    assert video["id"].encode() in parent  # the chain of manifests


def test_deleting_a_video_deletes_its_object_in_the_bucket(client: httpx.Client) -> None:
    request = {"prompt": "a red fox", "size": "64x64", "num_frames": 8, "num_inference_steps": 1}
    record = finished(client, client.post("/v1/videos", json=request).json()["id"])
    client.delete(f"/v1/videos/{record['id']}")
    assert httpx.get(record["url"], timeout=60).status_code == 404


def test_a_changed_film_takes_its_other_window_from_the_bucket(client: httpx.Client, s3_settings: S3Settings) -> None:
    shots = [{"prompt": "a red fox", "num_frames": 8}, {"prompt": "a blue bird", "num_frames": 8, "overlap": 0}]
    request = {"shots": shots, "size": "64x64", "num_inference_steps": 1, "seed": 7}
    film = finished(client, client.post("/v1/videos", json=request).json()["id"])
    changes = {"shots": {"1": {"prompt": "a green bird"}}}
    changed = finished(client, client.post(f"/v1/videos/{film['id']}/remix", json=changes).json()["id"])
    assert (film["windows_made"], film["windows_reused"]) == (2, 0)
    assert (changed["windows_made"], changed["windows_reused"]) == (1, 1)
    for record in (film, changed):
        client.delete(f"/v1/videos/{record['id']}").raise_for_status()
    assert not [name for name in bucket_objects(s3_settings) if film["id"] in name or changed["id"] in name]


# The keys of Redis that may name a deleted video, and why: docs/operations/security.md
KEPT_MARKS = ("sweep:erased", "jobs:gone:of:", "files:gone:of:", "asked:", "delivery:", "outbox:lane:")


def redis_values(redis: Redis) -> Iterator[tuple[str, bytes]]:
    """Each key of Redis with all bytes of its value."""
    for key in redis.scan_iter(count=1000):
        kind = redis.type(key)
        readers: dict[bytes, Any] = {
            b"string": redis.get,
            b"hash": redis.hgetall,
            b"list": lambda key: redis.lrange(key, 0, -1),
            b"set": redis.smembers,
            b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
            b"stream": redis.xrange,
            b"none": lambda _: None,  # it has expired meanwhile
        }
        yield key.decode(), repr((key, readers[kind](key))).encode()


def bucket_objects(settings: S3Settings) -> dict[str, bytes]:
    """Each object of the bucket. One that is deleted between the list and its read is left out."""
    assert settings.secret_access_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket)
    names = [item["Key"] for page in pages for item in page.get("Contents", ())]
    contents = {}
    for name in names:
        with suppress(client.exceptions.NoSuchKey):
            contents[name] = client.get_object(Bucket=settings.bucket, Key=name)["Body"].read()
    return contents


def noise(seed: int) -> bytes:
    """A picture whose compressed bytes occur in no other file."""
    picture = BytesIO()
    Image.frombytes("RGB", (64, 64), Random(seed).randbytes(64 * 64 * 3)).save(picture, "PNG")
    return picture.getvalue()


def create_from_images_and_video(client: httpx.Client, prompt: str) -> tuple[dict[str, Any], list[bytes]]:
    """Makes a video with start and end image, and one from a video; returns the records and all sent files."""
    images = [noise(seed) for seed in (1, 2)]
    fields = {"prompt": prompt, "size": "64x64", "num_frames": "8", "num_inference_steps": "1", "metadata[a]": prompt}
    fields |= {"webhook[url]": "http://127.0.0.1:9/closed"}
    files = {"image": images[0], "last_image": images[1]}
    headers = {"Idempotency-Key": "deleted later"}
    first = client.post("/v1/videos", data=fields, files=files, headers=headers)
    assert first.status_code == 200, first.text
    record = finished(client, first.json()["id"])
    content = client.get(f"/v1/videos/{record['id']}/content").content
    return record, [*images, content]


def own_part(content: bytes, others: list[bytes]) -> bytes:
    """64 bytes that no other object has: headers and certificates are the same in many videos."""
    parts = (content[start : start + 64] for start in range(64, len(content) - 64, 64))
    return next(part for part in parts if not any(part in other for other in others))


def wait_until_unnamed(redis: Redis, ids: list[str]) -> None:
    """Waits until no key but the kept marks names an id: a worker's entry names its job until its next heartbeat."""
    deadline = time.monotonic() + 60
    while names := {
        key
        for key, value in redis_values(redis)
        if not key.startswith(KEPT_MARKS) and any(each.encode() in value for each in ids)
    }:
        assert time.monotonic() < deadline, names
        time.sleep(0.1)


def test_nothing_of_a_deleted_video_is_left_in_redis_and_bucket(
    client: httpx.Client, stack: LocalStack, s3_settings: S3Settings
) -> None:
    prompt = "a zebra with seventeen lanterns"
    others = list(bucket_objects(s3_settings).values())
    first, files = create_from_images_and_video(client, prompt)
    upload = client.post("/v1/files", files={"file": ("clip.mp4", files[-1])})
    assert upload.status_code == 200, upload.text
    uploaded = upload.json()
    body = {"prompt": f"{prompt} again", "video": {"file_id": uploaded["id"]}, "num_inference_steps": 4}
    answer = client.post("/v1/videos/edits", json=body)
    assert answer.status_code == 200, answer.text
    second = finished(client, answer.json()["id"])
    assert [record["status"] for record in (first, second)] == ["completed", "completed"]
    files.append(client.get(f"/v1/videos/{second['id']}/content").content)
    before = bucket_objects(s3_settings)
    parts = [own_part(file, others) for file in files]
    assert all(any(part in content for content in before.values()) for part in parts)

    for url in (f"/v1/videos/{first['id']}", f"/v1/videos/{second['id']}", f"/v1/files/{uploaded['id']}"):
        client.delete(url).raise_for_status()

    after = bucket_objects(s3_settings)
    ids = [first["id"], second["id"], uploaded["id"]]
    texts = [
        prompt.encode(),
        *(each.encode() for each in ids),
        *files,
    ]  # whole files: other videos share headers and certificates
    assert not [name for name, content in after.items() for text in texts if text in name.encode() + content]
    assert stack.redis is not None
    with Redis.from_url(stack.redis.url) as redis:
        assert not [key for key, value in redis_values(redis) if prompt.encode() in value]
        wait_until_unnamed(redis, ids)
