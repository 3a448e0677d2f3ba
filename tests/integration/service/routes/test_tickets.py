"""A ticket and a playlist_url open one video for watching, for a while, and nothing else."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import httpx
import pytest
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.storage.factory import open_storage
from service.settings import ServiceSettings
from service.web.tickets import TicketOffice, TicketScope
from tests.announced_worker import announce_for_long
from tests.integration.service.conftest import running_apis
from tests.job_store import JobStore
from tests.long_video import LongVideoWorker

Code = Callable[[httpx.Response], str]
KEYS = ("key-of-one", "key-of-another")


@dataclass(frozen=True)
class WatchedService:
    """A front end with two callers, a client of the first and one without a key, and a worker's store."""

    client: httpx.Client
    anybody: httpx.Client
    settings: ServiceSettings
    store: JobStore

    @property
    def tickets(self) -> TicketOffice:
        """What signs the tickets of this service."""
        return TicketOffice(self.settings.secret_for("signing").encode())

    def ticket(self, video_id: str) -> str:
        return str(self.client.post(f"/v1/videos/{video_id}/tickets").raise_for_status().json()["ticket"])

    def record(self, video_id: str) -> dict[str, str | None]:
        record: dict[str, str | None] = self.client.get(f"/v1/videos/{video_id}").raise_for_status().json()
        return record


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, redis_server: EmbeddedRedis, card: ModelCard
) -> Iterator[WatchedService]:
    values = {"redis_url": redis_server.url, "data_dir": tmp_path_factory.mktemp("data"), "api_keys": ",".join(KEYS)}
    settings = ServiceSettings.model_validate(values)
    with running_apis() as start, Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        announce_for_long(redis, card)
        url, headers = start(settings), {"Authorization": f"Bearer {KEYS[0]}"}
        with (
            httpx.Client(base_url=url, headers=headers, timeout=120) as client,
            httpx.Client(base_url=url, timeout=60) as anybody,
        ):
            yield WatchedService(client, anybody, settings, JobStore(redis))


@pytest.fixture
def worker(service: WatchedService, tmp_path: Path) -> LongVideoWorker:
    """A worker with a new running video."""
    created = service.client.post("/v1/videos", json={"prompt": "a"}).raise_for_status().json()
    job = service.store.lease(created["id"], "worker-1")
    assert job
    return LongVideoWorker(service.store, open_storage(service.settings), tmp_path, job)


@pytest.fixture
def job(worker: LongVideoWorker) -> Job:
    """A running video with one finished window."""
    worker.window()
    return worker.job


def first_line(service: WatchedService, path: str) -> tuple[int, str]:
    with service.anybody.stream("GET", path) as answer:
        return answer.status_code, next(answer.iter_lines())


def test_a_ticket_is_valid_for_a_minute_and_is_stored_nowhere(service: WatchedService, job: Job) -> None:
    before = time.time()
    answer = service.client.post(f"/v1/videos/{job.id}/tickets")
    assert answer.json().keys() == {"ticket", "expires_at"}
    off_s = 2  # the front end knows the clock of Redis as exactly as a busy machine lets it
    assert before + 59 - off_s <= answer.json()["expires_at"] <= time.time() + 60 + off_s
    assert answer.headers["cache-control"] == "no-store"


def test_a_ticket_opens_events_and_playlist_of_its_video_without_a_key(service: WatchedService, job: Job) -> None:
    ticket = service.ticket(job.id)
    assert first_line(service, f"/v1/videos/{job.id}/playlist.m3u8?ticket={ticket}") == (200, "#EXTM3U")
    assert first_line(service, f"/v1/videos/{job.id}/events?ticket={ticket}") == (200, "retry: 1000")


@pytest.mark.parametrize("path", ["events", "playlist.m3u8"])
def test_a_ticket_opens_no_other_video(service: WatchedService, job: Job, path: str, code_of: Code) -> None:
    other = service.client.post("/v1/videos", json={"prompt": "b"}).json()["id"]
    answer = service.anybody.get(f"/v1/videos/{other}/{path}?ticket={service.ticket(job.id)}")
    assert (answer.status_code, code_of(answer)) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/content"),
        ("GET", "/attempts"),
        ("GET", "/deliveries"),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("POST", "/remix"),
        ("POST", "/tickets"),
    ],
)
def test_a_ticket_opens_nothing_else_and_changes_nothing(
    service: WatchedService, job: Job, method: str, path: str, code_of: Code
) -> None:
    before = service.store.get(job.id)
    answer = service.anybody.request(
        method, f"/v1/videos/{job.id}{path}?ticket={service.ticket(job.id)}", json={"prompt": "c"}
    )
    assert (answer.status_code, code_of(answer)) == (401, "invalid_api_key")
    assert service.store.get(job.id) == before


FORGED = {
    "changed signature": lambda ticket: ticket[:-1] + ("0" if ticket[-1] != "0" else "1"),
    "no signature": lambda ticket: ticket.rpartition(".")[0] + ".",
    "later expiry": lambda ticket: ticket.replace(".1", ".2", 1),
    "other scope": lambda ticket: ticket.replace("watch", "playlist"),
    "unknown scope": lambda ticket: ticket.replace("watch", "record"),
    "digits of another script": lambda ticket: ticket.replace(".1", ".١", 1),
    "negative expiry": lambda ticket: ticket.replace(".1", ".-1", 1),
    "expiry of 5000 digits": lambda ticket: ticket.replace(".1", "." + "1" * 5000, 1),
    "two tickets": lambda ticket: f"{ticket}.{ticket}",
    "no ticket at all": lambda ticket: "x",
    "lone surrogate": lambda ticket: "%ED%A0%80",
}


@pytest.mark.parametrize("path", ["events", "playlist.m3u8"])
@pytest.mark.parametrize("change", FORGED)
def test_a_changed_ticket_is_refused_also_with_a_key(
    service: WatchedService, job: Job, path: str, change: str, code_of: Code
) -> None:
    ticket = FORGED[change](service.ticket(job.id))
    for client in (service.anybody, service.client):
        answer = client.get(f"/v1/videos/{job.id}/{path}?ticket={ticket}")
        assert (answer.status_code, code_of(answer)) == (403, "forbidden")


@pytest.mark.parametrize("scope", TicketScope)
def test_an_expired_ticket_is_refused(service: WatchedService, job: Job, scope: TicketScope, code_of: Code) -> None:
    ticket = service.tickets.issue(scope, job.id, int(time.time()) - 60)
    answer = service.anybody.get(f"/v1/videos/{job.id}/playlist.m3u8?ticket={ticket}")
    assert (answer.status_code, code_of(answer)) == (403, "forbidden")


def test_a_ticket_of_another_secret_is_refused(service: WatchedService, job: Job, code_of: Code) -> None:
    ticket = TicketOffice(b"another secret").issue(TicketScope.WATCH, job.id, 2**33)
    answer = service.anybody.get(f"/v1/videos/{job.id}/playlist.m3u8?ticket={ticket}")
    assert code_of(answer) == "forbidden"


def test_only_the_owner_of_a_video_creates_tickets(service: WatchedService, job: Job, code_of: Code) -> None:
    headers = {"Authorization": f"Bearer {KEYS[1]}"}
    answer = service.anybody.post(f"/v1/videos/{job.id}/tickets", headers=headers)
    assert (answer.status_code, code_of(answer)) == (404, "video_not_found")


def test_a_ticket_of_a_deleted_video_is_a_404(service: WatchedService, job: Job, code_of: Code) -> None:
    ticket = service.ticket(job.id)
    service.client.delete(f"/v1/videos/{job.id}").raise_for_status()
    answer = service.anybody.get(f"/v1/videos/{job.id}/events?ticket={ticket}")
    assert (answer.status_code, code_of(answer)) == (404, "video_not_found")


def test_the_playlist_url_needs_no_key_and_lasts_an_hour_longer_than_the_video(
    service: WatchedService, job: Job
) -> None:
    url = httpx.URL(str(service.record(job.id)["playlist_url"]))
    _, expiry, _ = url.params["ticket"].split(".")
    assert int(expiry) - time.time() == pytest.approx(3600 + ceil(job.request.seconds), abs=30)
    playlist = service.anybody.get(url).text
    [segment] = [line for line in playlist.splitlines() if not line.startswith("#")]
    assert service.anybody.get(segment).content[0] == 0x47  # MPEG-TS


def test_the_playlist_url_opens_the_playlist_only(service: WatchedService, job: Job, code_of: Code) -> None:
    url = str(service.record(job.id)["playlist_url"])
    assert code_of(service.anybody.get(url.replace("playlist.m3u8", "events"))) == "forbidden"
    assert code_of(service.anybody.get(url.replace("/playlist.m3u8", ""))) == "invalid_api_key"


def test_a_record_has_a_playlist_url_while_there_is_a_playlist(
    service: WatchedService, worker: LongVideoWorker
) -> None:
    assert service.record(worker.job.id)["playlist_url"] is None
    worker.window()
    assert service.record(worker.job.id)["playlist_url"]
    worker.finish()
    url = str(service.record(worker.job.id)["playlist_url"])
    assert service.anybody.get(url).text.endswith("#EXT-X-ENDLIST\n")
    service.store.redis.hset(f"job:{worker.job.id}", "expires_at", "1.0")
    assert service.record(worker.job.id)["playlist_url"] is None


def test_a_failed_video_has_no_playlist_url(service: WatchedService, worker: LongVideoWorker) -> None:
    worker.window()
    assert service.store.fail(worker.job.id, worker.job.token or "", failure("worker_lost"))
    assert service.record(worker.job.id)["playlist_url"] is None
