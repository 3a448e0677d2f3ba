"""OpenAI's client retries after lost responses and errors; each video is still created only once."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from redis import Redis

from cli.stack.stack import LocalStack
from jobs.access.api_keys import ApiKeyStore
from jobs.model.limits import Limits
from tests.clients.conftest import KEY
from tests.clients.receiver import Receiver
from tests.clients.wire import Wire, lost, replaced

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")


@pytest.fixture
def client(wire: Wire) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{wire.url}/v1", api_key=KEY) as client:
        yield client


def create(client: openai.OpenAI, prompt: str) -> str:
    """Creates a video of minutes, so that it still runs at the check."""
    extra = {"num_frames": 24, "num_inference_steps": 200}
    return client.videos.create(prompt=prompt, extra_body=extra, size="192x192").id  # type: ignore[arg-type]


def retry_counts(wire: Wire) -> list[str]:
    return [exchange.sent["x-stainless-retry-count"] for exchange in wire.exchanges]


def test_a_request_that_is_retried_after_lost_responses_creates_one_video(client: openai.OpenAI, wire: Wire) -> None:
    before = [video.id for video in client.videos.list()]
    wire.clear()
    wire.faults.extend([lost, lost])
    video_id = create(client, "once")
    assert retry_counts(wire) == ["0", "1", "2"]
    assert not any("idempotency-key" in exchange.sent for exchange in wire.exchanges)
    assert {exchange.json()["id"] for exchange in wire.exchanges} == {video_id}
    assert wire.exchanges[-1].headers["idempotency-replayed"] == "true"
    assert [video.id for video in client.videos.list()] == [video_id, *before]
    client.videos.delete(video_id)


def test_two_equal_requests_with_responses_create_two_videos(client: openai.OpenAI) -> None:
    first, second = create(client, "again"), create(client, "again")
    assert first != second
    for video_id in (first, second):
        client.videos.delete(video_id)


def test_a_failed_poll_is_retried(client: openai.OpenAI, wire: Wire) -> None:
    video_id = create(client, "polled")
    client.delete(f"/videos/{video_id}", cast_to=object)
    video = client.videos.create(prompt="polled", size="64x64", extra_body={"num_frames": 8, "num_inference_steps": 1})  # type: ignore[arg-type]
    wire.clear()
    wire.faults.extend([replaced(503, retry_after="0"), lost])
    assert client.videos.poll(video.id).status == "completed"
    assert retry_counts(wire)[:3] == ["0", "1", "2"]


def test_a_final_refusal_is_not_retried(client: openai.OpenAI, wire: Wire) -> None:
    video_id = create(client, "cancelled")
    client.post(f"/videos/{video_id}/cancel", cast_to=object)
    client.videos.poll(video_id)
    wire.clear()
    with pytest.raises(openai.ConflictError) as refusal:
        client.post(f"/videos/{video_id}/cancel", cast_to=object)
    assert refusal.value.code == "not_cancellable"
    assert retry_counts(wire) == ["0"]


def test_a_client_over_its_rate_limit_retries_after_the_advised_time(wire: Wire, stack: LocalStack) -> None:
    assert stack.redis is not None
    with Redis.from_url(stack.redis.url) as redis:
        _, key = ApiKeyStore(redis).create("one a minute", "hasty", Limits(requests_per_minute=1))
    with openai.OpenAI(base_url=f"{wire.url}/v1", api_key=key, max_retries=0) as client:
        client.videos.delete(create(client, "one"))
        with pytest.raises(openai.RateLimitError) as refusal:
            create(client, "two")
    headers = refusal.value.response.headers
    assert (refusal.value.code, headers["x-ratelimit-limit-requests"]) == ("rate_limited", "1")
    assert 0 < int(headers["retry-after"]) <= 60


def test_the_client_manages_files_and_webhook_endpoints(client: openai.OpenAI, image: Path, receiver: Receiver) -> None:
    with image.open("rb") as content:
        uploaded = client.files.create(file=content, purpose="vision")
    assert [file.id for file in client.files.list()] == [uploaded.id]
    assert client.files.content(uploaded.id).read() == image.read_bytes()
    assert client.files.delete(uploaded.id).deleted
    endpoint = client.webhooks.create(name="mine", url=receiver.url, event_types=["video.completed", "video.failed"])
    assert [listed.id for listed in client.webhooks.list()] == [endpoint.id]
    assert client.webhooks.test(endpoint.id, event_type="video.failed").status_code == 204
    headers, body = receiver.deliveries[-1]
    event = client.webhooks.unwrap(body, headers, secret=endpoint.signing_secret)
    assert event.type == "video.failed"
    rotated = client.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
    assert rotated.signing_secret != endpoint.signing_secret
    client.webhooks.delete(endpoint.id)
    with pytest.raises(openai.NotFoundError):
        client.webhooks.retrieve(endpoint.id)
