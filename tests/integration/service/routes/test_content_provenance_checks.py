"""Checks of provenance: what the marks of a file say, and that callers learn nothing about videos of others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from easyanimate.provenance.claims import ProvenanceClaim
from easyanimate.provenance.credentials import local_credentials
from easyanimate.provenance.marking import ProvenanceMarker
from jobs.queue.signers import SIGNERS_KEY, SignerRegistry
from jobs.storage.factory import open_storage
from service.settings import ServiceSettings
from tests.job_store import JobStore

PATH = "/v1/content_provenance_checks"


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> ProvenanceMarker:
    return ProvenanceMarker(local_credentials(tmp_path_factory.mktemp("signing")), "Studio")


@pytest.fixture
def marked(
    marker: ProvenanceMarker, redis: Redis, clip: Callable[..., bytes], tmp_path: Path
) -> Callable[[str], bytes]:
    """The bytes of a video that a worker of this installation marked, with this id."""
    SignerRegistry(redis).announce(marker.credentials.chain)

    def mark(video_id: str) -> bytes:
        path = tmp_path / "video.mp4"
        path.write_bytes(clip())
        marker.mark_file(path, ProvenanceClaim(title=video_id, version="1", model="tiny", video_id=video_id))
        return path.read_bytes()

    return mark


def check(api: httpx.Client, data: bytes, name: str = "video.mp4") -> dict[str, dict[str, Any]]:
    answer = api.post(PATH, files={"file": (name, data)})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["object"] == "content_provenance_check"
    return {result["type"]: result for result in body["results"]}


def statuses(results: dict[str, dict[str, Any]]) -> list[str]:
    return [results[name]["status"] for name in ("c2pa", "xmp", "aigc", "known_digest")]


def test_the_marks_of_an_own_video_name_it(
    api: httpx.Client, marked: Callable[[str], bytes], store: JobStore, settings: ServiceSettings
) -> None:
    from tests.integration.service.conftest import finished

    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    data = finished(store, settings, video_id, marked(video_id))
    results = check(api, data)
    assert statuses(results) == ["valid"] * 4
    assert (results["c2pa"]["video_id"], results["known_digest"]["video_id"]) == (video_id, video_id)
    assert results["c2pa"]["made_by"] == "EasyAnimate Service 1"
    whole = open_storage(settings).read(store.get(video_id).result.video_key, 0, len(data))  # type: ignore[union-attr]
    assert b"".join(whole) == data


def test_the_video_of_another_caller_is_valid_and_not_named(api: httpx.Client, marked: Callable[[str], bytes]) -> None:
    results = check(api, marked("video_0123456789abcdef01234567"))
    assert statuses(results) == ["valid", "valid", "valid", "absent"]
    assert all(result["video_id"] is None for result in results.values())
    assert "video_0123456789abcdef01234567" not in str(results)


def test_a_changed_file_is_altered(api: httpx.Client, marked: Callable[[str], bytes]) -> None:
    data = bytearray(marked("video_1"))
    data[data.index(b"mdat") + 100] ^= 1
    results = check(api, bytes(data))
    assert statuses(results) == ["altered", "altered", "altered", "absent"]
    assert results["c2pa"]["made_by"] is None


def test_a_file_without_marks_is_no_claim(api: httpx.Client, clip: Callable[..., bytes]) -> None:
    results = check(api, clip())
    assert statuses(results) == ["absent"] * 4
    assert all(result["detail"].startswith("no claim") for result in results.values())


def test_another_signer_is_untrusted_and_a_damaged_certificate_does_no_harm(
    api: httpx.Client, marked: Callable[[str], bytes], redis: Redis
) -> None:
    data = marked("video_1")
    redis.delete(SIGNERS_KEY)
    redis.hset(SIGNERS_KEY, "damaged", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert statuses(check(api, data)) == ["untrusted", "untrusted", "untrusted", "absent"]


@pytest.mark.parametrize("data", [b"", b"no media at all", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n" + b"\xff" * 100])
def test_a_file_that_cannot_be_read_is_refused(
    api: httpx.Client, code_of: Callable[[httpx.Response], str], data: bytes
) -> None:
    answer = api.post(PATH, files={"file": ("file", data)})
    assert (answer.status_code, code_of(answer)) == (400, "unsupported_file")


def test_a_field_beside_the_file_is_refused(api: httpx.Client, code_of: Callable[[httpx.Response], str]) -> None:
    answer = api.post(PATH, files={"file": ("a.png", b"x")}, data={"model": "x"})
    assert (answer.status_code, code_of(answer)) == (400, "unknown_parameter")


def test_a_file_cut_off_anywhere_is_never_valid(api: httpx.Client, marked: Callable[[str], bytes]) -> None:
    data = marked("video_1")
    for length in range(200, len(data), len(data) // 6):
        answer = api.post(PATH, files={"file": ("video.mp4", data[:length])})
        assert answer.status_code == 400 or answer.json()["results"][0]["status"] == "altered", answer.text
