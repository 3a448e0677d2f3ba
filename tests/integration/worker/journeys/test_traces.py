"""The traces of API, worker and keeper as processes, at a collector: one trace per video."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.model_card import ModelCard
from tests.integration.redis_servers import wait_until
from tests.integration.worker.journeys.logged_process import PROGRAMS, logged_programs
from tests.otlp_collector import CollectedSpan, OtlpCollector, running_collector

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
UNSAMPLED = "5bf92f3577b34da6a3ce929d0e0e4737"
SECRET_PROMPT = "windows"
KEY = "sk-" + "traces-0123456789abcdef0123456789"


class FailingOnce(BaseHTTPRequestHandler):
    """A webhook receiver: the first delivery of `video.completed` has the answer 500."""

    received: list[tuple[str, str]] = []  # noqa: RUF012  event and traceparent

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))["type"]
        is_first = event not in [name for name, _ in self.received]
        self.received.append((event, self.headers["traceparent"]))
        self.send_response(500 if is_first else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Traced:
    """What remains of the run: the spans, the logs and what the receiver of webhooks got."""

    collector: OtlpCollector
    videos: dict[str, str]
    logs: dict[str, list[dict[str, Any]]]
    webhooks: list[tuple[str, str]]

    def of(self, prompt: str) -> list[CollectedSpan]:
        """The spans of the trace of the video with this prompt."""
        (trace,) = {
            span.trace_id
            for span in self.collector.spans()
            if span.attributes.get("easyanimate.video_id") == self.videos[prompt]
        }
        return self.collector.spans(trace)


def submit(client: httpx.Client, prompt: str, receiver: str, **headers: str) -> str:
    body: dict[str, Any] = {"prompt": prompt, "size": "128x128", "num_frames": 16, "num_inference_steps": 4}
    if prompt == SECRET_PROMPT:
        body["webhook"] = {"url": f"{receiver}/hook?signature=secret-signature", "events": ["video.completed"]}
    answer = client.post("/v1/videos", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def wait_for_end(client: httpx.Client, videos: dict[str, str]) -> None:
    def have_ended() -> bool:
        records = [client.get(f"/v1/videos/{video}").json() for video in videos.values()]
        return all(record["status"] in ("completed", "failed") for record in records)

    wait_until(have_ended, 120)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Iterator[Traced]:
    """A service that has made four videos and has ended."""
    folder = tmp_path_factory.mktemp("traces")
    (folder / "models" / card.name).mkdir(parents=True)
    (folder / "models" / card.name / "card.json").write_text(card.model_dump_json())
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), FailingOnce)
    Thread(target=receiver.serve_forever, args=[0.05], daemon=True).start()
    server, port = EmbeddedRedis(folder, free_port()).start(), free_port()
    with running_collector() as collector:
        environment = {
            "EASYANIMATE_REDIS_URL": server.url,
            "EASYANIMATE_DATA_DIR": str(folder / "data"),
            "EASYANIMATE_MODELS_DIR": str(folder / "models"),
            "EASYANIMATE_PORT": str(port),
            "EASYANIMATE_API_KEYS": KEY,
            "EASYANIMATE_MIN_FREE_DISK_BYTES": "0",
            "EASYANIMATE_WEBHOOK_ALLOW_PRIVATE": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        with logged_programs(environment, folder) as client:
            client.headers["authorization"] = f"Bearer {KEY}"
            hook = f"http://127.0.0.1:{receiver.server_port}"
            with_parent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            videos = {
                SECRET_PROMPT: submit(client, SECRET_PROMPT, hook, **with_parent),
                "once": submit(client, "once", hook),
                "nan": submit(client, "nan", hook),
                "brief": submit(client, "brief", hook, traceparent=f"00-{UNSAMPLED}-{PARENT}-00"),
            }
            wait_for_end(client, videos)
            wait_until(lambda: len(FailingOnce.received) == 2)
        logs = {name: read_log(folder / f"{name}.log") for name in PROGRAMS}
        yield Traced(collector, videos, logs, FailingOnce.received)
    receiver.shutdown()
    receiver.server_close()
    server.stop()


def read_log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


def names(spans: list[CollectedSpan], service: str) -> list[str]:
    return [span.name for span in spans if span.service == service]


def the(spans: list[CollectedSpan], name: str) -> CollectedSpan:
    (span,) = [span for span in spans if span.name == name]
    return span


def test_a_video_is_one_trace_below_the_span_of_its_caller(traced: Traced) -> None:
    spans = traced.of(SECRET_PROMPT)
    assert {span.trace_id for span in spans} == {TRACE}
    request, submitted, attempt = the(spans, "POST /v1/videos"), the(spans, "video.submit"), the(spans, "video.attempt")
    assert (request.parent_id, submitted.parent_id, attempt.parent_id) == (PARENT, request.span_id, submitted.span_id)
    assert request.attributes["http.response.status_code"] == 200
    assert attempt.attributes["easyanimate.model"] == "easyanimate-v3-tiny"
    assert (attempt.attributes["easyanimate.size"], attempt.attributes["easyanimate.steps"]) == ("128x128", 4)
    assert attempt.attributes["easyanimate.outcome"] == "completed"
    phases = [span for span in spans if span.parent_id == attempt.span_id and span.service == "easyanimate-worker"]
    own = [span.name for span in phases if span.name.startswith("video.")]
    assert own == ["video.wait", "video.loading", "video.encoding", "video.denoising", "video.uploading"]
    assert all(attempt.began_at <= span.began_at <= span.ended_at <= attempt.ended_at for span in phases[1:])


def test_the_calls_of_redis_and_http_are_below_the_spans_that_made_them(traced: Traced) -> None:
    spans = traced.of(SECRET_PROMPT)
    by_id = {span.span_id: span for span in spans}
    calls = [span for span in spans if span.attributes.get("db.system") == "redis"]
    assert {by_id[span.parent_id].service for span in calls} >= {"easyanimate-api", "easyanimate-worker"}
    assert all(span.parent_id in by_id or span.parent_id == PARENT for span in spans)
    assert not [span for span in traced.collector.spans() if not span.parent_id and span.attributes.get("db.system")]


def test_each_try_of_a_webhook_is_a_span_and_its_header_names_it(traced: Traced) -> None:
    spans = traced.of(SECRET_PROMPT)
    tries = [span for span in spans if span.name == "webhook.deliver"]
    assert [span.attributes["easyanimate.try_number"] for span in tries] == [1, 2]
    assert [span.failure for span in tries] == ["webhook_not_delivered", None]
    calls = {span.span_id: span for span in spans if span.name == "POST"}
    for delivery, (_, traceparent) in zip(tries, traced.webhooks, strict=True):
        _, trace_id, span_id, flags = traceparent.split("-")
        assert (trace_id, flags, calls[span_id].parent_id) == (TRACE, "01", delivery.span_id)


def test_a_resumed_attempt_is_in_the_same_trace_and_the_lost_one_has_failed(traced: Traced) -> None:
    attempts = [span for span in traced.of("once") if span.name == "video.attempt"]
    assert [span.attributes["easyanimate.attempt"] for span in attempts] == [1, 2]
    assert [span.attributes["easyanimate.outcome"] for span in attempts] == ["retried", "completed"]
    assert [span.failure for span in attempts] == ["poison_job", None]
    assert attempts[1].attributes["easyanimate.resumed_step"] == 2


def test_each_attempt_has_the_wait_before_it(traced: Traced) -> None:
    spans = traced.of("once")
    attempts, waits = ([span for span in spans if span.name == f"video.{name}"] for name in ("attempt", "wait"))
    assert [wait.parent_id for wait in waits] == [attempt.span_id for attempt in attempts]
    assert [wait.attributes["easyanimate.attempt"] for wait in waits] == [1, 2]
    assert waits[0].ended_at <= waits[1].began_at <= waits[1].ended_at


def test_a_failure_has_its_code_on_the_attempt_and_the_phase(traced: Traced) -> None:
    failed = [(span.name, span.failure) for span in traced.of("nan") if span.failure]
    assert failed == [("video.attempt", "invalid_output"), ("video.denoising", "invalid_output")]


def test_a_trace_that_the_caller_does_not_sample_is_not_exported(traced: Traced) -> None:
    assert not traced.collector.spans(UNSAMPLED)


def test_spans_have_no_prompt_no_key_no_address_and_no_signature(traced: Traced) -> None:
    exported = b"".join(traced.collector.raw)
    for secret in (KEY, "secret-signature", "/hook", "signature", "127.0.0.1", traced.videos["brief"]):
        assert secret.encode() not in exported
    texts = {str(value) for span in traced.collector.spans() for value in span.attributes.values()}
    assert not texts & set(traced.videos)


@pytest.mark.parametrize(
    ("name", "event"), [("api", "job.admitted"), ("worker", "job.finished"), ("keeper", "webhook.delivered")]
)
def test_lines_of_the_log_have_the_ids_of_their_span(traced: Traced, name: str, event: str) -> None:
    line = next(
        line for line in traced.logs[name] if line["event"] == event and line["job_id"] == traced.videos[SECRET_PROMPT]
    )
    spans = {span.span_id for span in traced.of(SECRET_PROMPT)}
    assert line["trace_id"] == TRACE
    assert line["span_id"] in spans
