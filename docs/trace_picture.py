"""Draws the trace of one video for docs/operations/observability.md: `python docs/trace_picture.py`.

It starts the service with the small model and a receiver of OTLP, makes a video with a webhook, and draws the spans
that arrived. Calls of Redis, S3 and HTTP are ticks on the bar of their parent.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))  # it runs as a program

from cli.stack.ports import free_port
from cli.stack.stack import LocalStack, StackPlan
from tests.otlp_collector import CollectedSpan, running_collector

OUTPUT = Path(__file__).parent / "images" / "trace.svg"
COLOURS = {"easyanimate-api": "#1f77b4", "easyanimate-worker": "#2ca02c", "easyanimate-keeper": "#d62728"}
WIDTH, LEFT, RIGHT, ROW, TOP = 980, 250, 90, 24, 46
FONT = 'font-family="sans-serif" font-size="13"'
TIMEOUT_S, EXPORT_S = 300.0, 2.0
BODY = {"prompt": "a large red circle moving to the right on a blue background", "num_inference_steps": 8}


class Receiver(BaseHTTPRequestHandler):
    """Receives the webhook."""

    arrived = Event()

    def do_POST(self) -> None:
        """Notes that a trace arrived."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()
        self.arrived.set()

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


def record() -> list[CollectedSpan]:
    """The spans of the trace of one video."""
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=receiver.serve_forever, args=[0.05], daemon=True).start()
    port = free_port()
    with tempfile.TemporaryDirectory() as name, running_collector() as collector:
        folder = Path(name)
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "EASYANIMATE_WEBHOOK_ALLOW_PRIVATE": "true",
        }
        folders = {"data_dir": folder / "data", "models_dir": folder / "models", "logs": folder / "logs"}
        plan = StackPlan(**folders, model="easyanimate-v3-tiny", port=port, environment=environment)
        stack = LocalStack(plan)
        try:
            stack.start()
            webhook = {"url": f"http://127.0.0.1:{receiver.server_port}/", "events": ["video.completed"]}
            url = f"http://127.0.0.1:{port}/v1/videos"
            response = httpx.post(url, json={**BODY, "webhook": webhook}, timeout=60, trust_env=False)
            video_id = response.raise_for_status().json()["id"]
            if not Receiver.arrived.wait(TIMEOUT_S):
                raise RuntimeError("the webhook did not arrive")
            time.sleep(EXPORT_S)
        finally:
            stack.stop()
            receiver.shutdown()
        found = {s.trace_id for s in collector.spans() if s.attributes.get("easyanimate.video_id") == video_id}
        return collector.spans(found.pop())


def is_call(span: CollectedSpan) -> bool:
    """Whether it is a call of a library, which has no bar of its own."""
    names = ("db.system", "rpc.system", "http.method", "http.request.method")
    return not span.name.startswith(("POST /", "video.", "webhook.")) and any(name in span.attributes for name in names)


def draw(spans: Iterable[CollectedSpan]) -> str:
    """The spans as bars from top to bottom by their beginning, with their durations."""
    spans = sorted(spans, key=lambda span: span.began_at)
    bars = [span for span in spans if not is_call(span)]
    begin, end = bars[0].began_at, max(span.ended_at for span in bars)
    rows = {span.span_id: number for number, span in enumerate(bars)}
    height = TOP + ROW * len(bars) + 12

    def x(at: float) -> float:
        return LEFT + (min(max(at, begin), end) - begin) / (end - begin) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, (service, colour) in enumerate(COLOURS.items()):
        parts.append(f'<text x="{12 + 170 * number}" y="24" fill="{colour}">{service}</text>')
    parts.append(
        f'<text x="{12 + 170 * len(COLOURS)}" y="24" fill="#777">ticks: calls of Redis, storage and HTTP</text>'
    )
    for span in bars:
        parts += _bar(span, rows[span.span_id], x)
    for call in (span for span in spans if is_call(span) and span.parent_id in rows):
        top = TOP + ROW * rows[call.parent_id]
        parts.append(f'<path d="M{x(call.began_at):.1f} {top + 12} v7" stroke="#000" stroke-width="0.7"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(span: CollectedSpan, row: int, place: Callable[[float], float]) -> list[str]:
    top, left, right = TOP + ROW * row, place(span.began_at), place(span.ended_at)
    milliseconds, width = 1000 * (span.ended_at - span.began_at), max(1.5, right - left)
    colour = COLOURS.get(span.service, "#777")
    return [
        f'<text x="12" y="{top + 13}">{escape(span.name)}</text>',
        f'<rect x="{left:.1f}" y="{top + 2}" width="{width:.1f}" height="14" fill="{colour}" opacity="0.75"/>',
        f'<text x="{right + 6:.1f}" y="{top + 13}" fill="#555">{milliseconds:,.0f} ms</text>',
    ]


def main() -> None:
    """Records the trace of a video and draws it."""
    OUTPUT.write_text(draw(record()), encoding="utf-8")


if __name__ == "__main__":
    main()
