"""The openai package and curl work without changes."""

import io
import json
import subprocess
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest
from PIL import Image

from jobs.model.failure import failure
from jobs.model.job import Job
from tests.job_store import JobStore

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")  # by openai


@pytest.fixture
def client(api: httpx.Client) -> Iterator[openai.OpenAI]:
    """OpenAI's client with the address of this service."""
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="any", max_retries=0) as client:
        yield client


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 16), "red").save(out, "PNG")
    return out.getvalue()


def test_openai_creates_and_retrieves(client: openai.OpenAI) -> None:
    video = client.videos.create(prompt="a red fox", model="easyanimate-v3-tiny", seconds="4", size="128x128")
    assert (video.object, video.status, video.progress, video.prompt) == ("video", "queued", 0, "a red fox")
    assert client.videos.retrieve(video.id).created_at == video.created_at


def test_openai_sends_fields_of_this_service_in_extra_body(client: openai.OpenAI, stored: Callable[[str], Job]) -> None:
    webhook = {"url": "https://93.184.216.34/", "events": ["video.completed", "video.failed"]}
    extra = {"seed": 7, "num_inference_steps": 3, "guidance_scale": 2.5, "webhook": webhook, "metadata": {"a": "b"}}
    request = stored(client.videos.create(prompt="a red fox", extra_body=extra).id).request
    assert (request.seed, request.num_inference_steps, request.guidance_scale) == (7, 3, 2.5)
    assert request.webhook is not None
    assert (request.webhook.url, request.webhook.events) == (webhook["url"], ("video.completed", "video.failed"))
    assert request.metadata == {"a": "b"}


def test_openai_sends_an_image_as_bytes_without_a_name(client: openai.OpenAI, stored: Callable[[str], Job]) -> None:
    video = client.videos.create(prompt="a red fox", input_reference=png())
    assert stored(video.id).request.image_key


def test_openai_lists_page_by_page(client: openai.OpenAI) -> None:
    expected = [client.videos.create(prompt="a").id for _ in range(5)]
    assert [video.id for video in client.videos.list(limit=2)] == expected[::-1]


def test_openai_polls_and_downloads(client: openai.OpenAI, finish: Callable[[str], bytes]) -> None:
    video = client.videos.create(prompt="a red fox")
    expected = finish(video.id)
    assert client.videos.poll(video.id).status == "completed"
    assert client.videos.download_content(video.id, variant="video").read() == expected


def test_openai_polls_a_failed_video_to_its_end(client: openai.OpenAI, store: JobStore) -> None:
    video = client.videos.create(prompt="a red fox")
    job = store.lease(video.id, "worker-1")
    assert job is not None
    assert job.token is not None
    store.fail(video.id, job.token, failure("gpu_out_of_memory"))
    ended = client.videos.poll(video.id)
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error.code == "gpu_out_of_memory"


def test_openai_deletes(client: openai.OpenAI) -> None:
    video = client.videos.create(prompt="a red fox")
    assert client.videos.delete(video.id).deleted
    with pytest.raises(openai.NotFoundError) as refusal:
        client.videos.retrieve(video.id)
    assert refusal.value.code == "video_not_found"


def test_openai_parses_a_refusal(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.videos.create(prompt="a red fox", size="720x1280")
    error = refusal.value
    assert (error.code, error.param, error.type) == ("invalid_size", "size", "invalid_request_error")
    assert error.request_id is not None


def test_openai_does_not_repeat_a_download_that_is_not_ready(api: httpx.Client) -> None:
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="any", max_retries=5) as client:
        video = client.videos.create(prompt="a red fox")
        with pytest.raises(openai.ConflictError) as refusal:
            client.videos.download_content(video.id)
    assert refusal.value.response.request.headers["x-stainless-retry-count"] == "0"


def test_openai_reads_the_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["easyanimate-v3-tiny"]
    assert client.models.retrieve("easyanimate-v3-tiny").object == "model"


def curl(*arguments: str) -> str:
    return subprocess.run(["curl", "-sS", "--noproxy", "*", *arguments], check=True, capture_output=True).stdout.decode(
        "latin-1"
    )


def test_curl_sends_json(api: httpx.Client) -> None:
    body = json.dumps({"prompt": "a red fox", "size": "128x128"})
    answer = curl(f"{api.base_url}/v1/videos", "-H", "Content-Type: application/json", "-d", body)
    assert json.loads(answer)["status"] == "queued"


def test_curl_sends_a_form_with_an_image(api: httpx.Client, tmp_path, stored: Callable[[str], Job]) -> None:
    (tmp_path / "fox.png").write_bytes(png())
    fields = ("-F", "prompt=a red fox", "-F", "seed=7", "-F", "metadata[a]=b", "-F", f"image=@{tmp_path}/fox.png")
    request = stored(json.loads(curl(f"{api.base_url}/v1/videos", *fields))["id"]).request
    assert (request.seed, request.metadata, bool(request.image_key)) == (7, {"a": "b"}, True)


def test_curl_without_the_content_type_gets_a_415_that_names_it(api: httpx.Client) -> None:
    answer = json.loads(curl(f"{api.base_url}/v1/videos", "-d", '{"prompt": "a"}'))
    assert (answer["status"], "application/json" in answer["detail"]) == (415, True)


def test_curl_downloads_a_range_and_resumes(api: httpx.Client, tmp_path, finish: Callable[[str], bytes]) -> None:
    video_id = api.post("/v1/videos", json={"prompt": "a"}).json()["id"]
    expected = finish(video_id)
    url = f"{api.base_url}/v1/videos/{video_id}/content"
    assert curl(url, "-r", "5-14").encode("latin-1") == expected[5:15]
    (tmp_path / "part.mp4").write_bytes(expected[:1000])
    curl(url, "-C", "-", "-o", str(tmp_path / "part.mp4"))
    assert (tmp_path / "part.mp4").read_bytes() == expected


def test_curl_reads_the_refusal_of_a_body_that_is_too_large(settings, start_api, announced, tmp_path) -> None:
    url = start_api(settings.model_copy(update={"body_limit_bytes": 100_000}))
    (tmp_path / "large.json").write_bytes(b" " * 5_000_000)
    header = ("-H", "Content-Type: application/json", "--data-binary", f"@{tmp_path}/large.json")
    for chunked in ((), ("-H", "Transfer-Encoding: chunked")):
        assert json.loads(curl(f"{url}/v1/videos", *header, *chunked))["error"]["code"] == "payload_too_large"
