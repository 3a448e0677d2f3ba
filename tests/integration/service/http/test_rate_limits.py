"""Each caller has limits: every response has their rest, and clients understand the refusals."""

import re
import time
from collections.abc import Callable

import httpx
import openai
import pytest
from redis import Redis

from jobs.access.api_keys import ApiKeyStore
from jobs.access.idempotency import Claim
from jobs.model.limits import Limits
from jobs.redis.keys import owner_waiting_key
from service.http.rate_limits import rate_limit_headers
from service.settings import ServiceSettings
from service.submission import admission
from tests.job_store import JobStore

pytestmark = [
    pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning"),  # by openai
    pytest.mark.usefixtures("within_a_day"),
]
Code = Callable[[httpx.Response], str]
Finish = Callable[[str], bytes]
REQUEST = {"prompt": "a red fox", "size": "64x64", "num_frames": 8}
PIXEL_FRAMES = 64 * 64 * 8
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # one pixel


@pytest.fixture
def caller(
    redis: Redis, settings: ServiceSettings, announced: object, start_api: Callable[[ServiceSettings], str]
) -> Callable[..., httpx.Client]:
    """Creates a client with its own key, these limits and a new front end."""
    default = Limits(requests_per_minute=50)

    def create(owner: str = "studio", max_queued_jobs: int = 100, **limits: int) -> httpx.Client:
        _, secret = ApiKeyStore(redis).create("test", owner, Limits(**limits))
        changes = {"auth": "keys", "limits": default, "max_queued_jobs": max_queued_jobs}
        url = start_api(settings.model_copy(update=changes))
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=120)

    return create


def test_the_request_rate_of_a_key_is_in_each_response_and_shared_by_all_front_ends(
    caller: Callable[..., httpx.Client], code_of: Code
) -> None:
    with caller(requests_per_minute=3) as one, caller(requests_per_minute=3) as other:
        started = time.monotonic()
        first = one.post("/v1/videos", json=REQUEST)
        refused_for_another_reason = other.post("/v1/videos", json={"prompt": ""})
        third, fourth = one.post("/v1/videos", json=REQUEST), other.post("/v1/videos", json=REQUEST)
        passed_s = time.monotonic() - started
        read = other.get(f"/v1/videos/{first.json()['id']}")
    answers = [first, refused_for_another_reason, third]
    assert [answer.status_code for answer in answers] == [200, 400, 200]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["2", "1", "0"]
    assert first.headers["ratelimit-policy"] == '"requests";q=3;w=60'
    assert re.fullmatch(r'"requests";r=2;t=\d+', first.headers["ratelimit"])
    assert first.headers["x-ratelimit-limit-requests"] == "3"
    assert re.fullmatch(r"\d+s", first.headers["x-ratelimit-reset-requests"])
    assert (fourth.status_code, code_of(fourth)) == (429, "rate_limited")
    assert fourth.json()["error"]["type"] == "rate_limit_error"
    assert 20 - passed_s <= int(fourth.headers["retry-after"]) <= 20  # a third of a minute from the first one
    assert fourth.headers["x-ratelimit-remaining-requests"] == "0"
    assert (read.status_code, "ratelimit" in read.headers) == (200, False)  # only requests for videos are counted


def test_a_key_without_limits_has_those_of_the_service(caller: Callable[..., httpx.Client]) -> None:
    with caller() as client:
        assert client.post("/v1/videos", json=REQUEST).headers["x-ratelimit-limit-requests"] == "50"


def test_queued_videos_are_counted_by_owner_and_a_batch_fits_whole_or_not_at_all(
    caller: Callable[..., httpx.Client], code_of: Code, store: JobStore
) -> None:
    with caller(queued_jobs=3) as client, caller(owner="another", queued_jobs=3) as another:
        first = client.post("/v1/videos", json={**REQUEST, "n": 2})
        assert '"queued-jobs";q=3' in first.headers["ratelimit-policy"]
        assert '"queued-jobs";r=1' in first.headers["ratelimit"]
        refused = client.post("/v1/videos", json={**REQUEST, "n": 2})
        assert (refused.status_code, code_of(refused)) == (429, "rate_limited")
        assert "1 are left" in refused.json()["detail"]
        assert int(refused.headers["retry-after"]) <= 60
        assert client.post("/v1/videos", json=REQUEST).status_code == 200
        assert client.post("/v1/videos", json=REQUEST).status_code == 429
        assert another.post("/v1/videos", json=REQUEST).status_code == 200
        client.post(f"/v1/videos/{first.json()['id']}/cancel")
        assert client.post("/v1/videos", json=REQUEST).status_code == 200
    assert store.queue_depth("easyanimate-v3-tiny") == 4


def test_pixel_frames_are_limited_by_day(caller: Callable[..., httpx.Client], code_of: Code) -> None:
    with caller(pixel_frames_per_day=3 * PIXEL_FRAMES) as client:
        first = client.post("/v1/videos", json={**REQUEST, "n": 2})
        assert f'"pixel-frames";r={PIXEL_FRAMES};t=' in first.headers["ratelimit"]
        assert client.post("/v1/videos", json={**REQUEST, "size": "1x1"}).status_code == 400  # costs nothing
        refused = client.post("/v1/videos", json={**REQUEST, "n": 2})
        assert (refused.status_code, code_of(refused)) == (429, "rate_limited")
        until_midnight_s = int(refused.headers["ratelimit"].rpartition("t=")[2])
        assert refused.headers["retry-after"] == str(min(until_midnight_s, 60))
        assert refused.headers.get("x-should-retry") == ("false" if until_midnight_s > 60 else None)
        assert client.post("/v1/videos", json=REQUEST).status_code == 200
        never = client.post("/v1/videos", json={**REQUEST, "n": 4})
        assert never.headers["x-should-retry"] == "false"


def left(answer: httpx.Response) -> dict[str, int]:
    """What is left of each limit of jobs after this request."""
    return {name: int(rest) for name, rest in re.findall(r'"([a-z-]+)";r=(\d+)', answer.headers["ratelimit"])}


@pytest.mark.parametrize(
    ("code", "status"),
    [("queue_full", 429), ("asset_expired", 410), ("storage_unavailable", 503), ("invalid_request", 400)],
)
def test_a_refused_request_leaves_no_mark_on_the_quotas(
    caller: Callable[..., httpx.Client],
    settings: ServiceSettings,
    redis: Redis,
    finish: Finish,
    code_of: Code,
    code: str,
    status: int,
) -> None:
    objects = settings.data_dir / "objects"
    with caller(queued_jobs=5, pixel_frames_per_day=10 * PIXEL_FRAMES, max_queued_jobs=2) as client:
        video_id = client.post("/v1/videos", json=REQUEST).json()["id"]
        finish(video_id)
        path, body = "/v1/videos", REQUEST
        if code == "queue_full":
            body = REQUEST | {"n": 3}
        elif code == "invalid_request":
            body = REQUEST | {"deadline": 1}
        else:
            path, body = "/v1/videos/edits", {"prompt": "b", "video": {"id": video_id}}
            objects.rename(settings.data_dir / "away")
        if code == "storage_unavailable":
            path, body = "/v1/videos", REQUEST | {"image": PIXEL}
            objects.touch()
        refused = client.post(path, json=body)
        assert (refused.status_code, code_of(refused)) == (status, code)
        following = client.post("/v1/videos", json=REQUEST)
    quotas = left(following)
    assert quotas.pop("requests") >= 47  # they come back with the time
    assert quotas == {"queued-jobs": 4, "pixel-frames": 8 * PIXEL_FRAMES}
    assert redis.zcard(owner_waiting_key("studio")) == 1


def test_a_request_that_another_front_end_has_completed_leaves_no_mark_on_the_quotas(
    caller: Callable[..., httpx.Client], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_claim(*_: object) -> None:
        """Another front end creates `first` by the claim of this one, which was too slow."""
        (key,) = redis.keys("asked:*")  # type: ignore[misc]
        fingerprint = redis.get(key).split()[0]  # type: ignore[union-attr]
        redis.set(key, fingerprint + b" " + first.encode())

    with caller(queued_jobs=5, pixel_frames_per_day=10 * PIXEL_FRAMES) as client:
        first = client.post("/v1/videos", json=REQUEST).json()["id"]
        redis.delete(*redis.keys("asked:*"))  # type: ignore[misc]
        monkeypatch.setattr(Claim, "may_be_lost", True)
        monkeypatch.setattr(admission, "full_reason", lose_claim)
        again = client.post("/v1/videos", json=REQUEST, headers={"Idempotency-Key": "a"})
        monkeypatch.undo()
        following = client.post("/v1/videos", json=REQUEST)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first, "true")
    quotas = left(following)
    assert quotas.pop("requests") >= 47  # they come back with the time
    assert quotas == {"queued-jobs": 3, "pixel-frames": 8 * PIXEL_FRAMES}


def test_openais_client_reads_the_refusal(caller: Callable[..., httpx.Client]) -> None:
    with caller(queued_jobs=1) as client:
        key = client.headers["authorization"].removeprefix("Bearer ")
        with openai.OpenAI(base_url=f"{client.base_url}/v1", api_key=key, max_retries=0) as openai_client:
            openai_client.videos.create(prompt="a red fox")
            with pytest.raises(openai.RateLimitError) as refusal:
                openai_client.videos.create(prompt="a red fox")
    assert (refusal.value.code, refusal.value.type) == ("rate_limited", "rate_limit_error")


def test_a_replayed_request_counts_once(caller: Callable[..., httpx.Client]) -> None:
    with caller(queued_jobs=1, pixel_frames_per_day=PIXEL_FRAMES) as client:
        responses = [client.post("/v1/videos", json=REQUEST, headers={"Idempotency-Key": "a"}) for _ in range(3)]
    assert len({answer.json()["id"] for answer in responses}) == 1


def test_without_limits_there_are_no_rate_limit_headers(api: httpx.Client) -> None:
    assert not [name for name in api.post("/v1/videos", json=REQUEST).headers if "ratelimit" in name]
    assert rate_limit_headers([]) == {"RateLimit-Policy": "", "RateLimit": ""}


def test_each_job_carries_the_limit_of_running_videos_to_the_queue(
    caller: Callable[..., httpx.Client], store: JobStore
) -> None:
    with caller(running_jobs=2) as client:
        assert store.get(client.post("/v1/videos", json=REQUEST).json()["id"]).running_limit == 2


def test_a_request_with_an_invalid_cancel_after_is_counted(caller: Callable[..., httpx.Client], code_of: Code) -> None:
    with caller(requests_per_minute=1) as client:
        refused = client.post("/v1/videos", json=REQUEST, headers={"Cancel-After": "soon"})
        limited = client.post("/v1/videos", json=REQUEST, headers={"Cancel-After": "soon"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "Cancel-After")
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert (limited.status_code, code_of(limited)) == (429, "rate_limited")
