"""The TypeScript client in a page of another origin, in a real browser."""

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from jobs.model.model_card import ModelCard
from tests.clients.environments import typescript_client
from tests.clients.own.front_end import VIDEO, FrontEnd, front_end

PROGRAM = """
async ([baseUrl, apiKey]) => {
  const { EasyAnimate } = await import("/dist/index.js");
  const client = new EasyAnimate({ baseUrl, apiKey });
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
  canvas.getContext("2d");
  const image = await new Promise((resolve) => canvas.toBlob(resolve));
  const events = [];
  const fields = { prompt: "a ball", image, size: "64x64", num_frames: 8, num_inference_steps: 1 };
  const video = await client.videos.createAndWait(fields, { onEvent: ({ type }) => events.push(type) });
  const bytes = await client.videos.download(video);
  const refused = await client.videos.create({ prompt: "a", size: "70x64" }).catch((error) => error);
  return { video, events, size: bytes.length, code: refused.code, requestId: refused.requestId };
}
"""


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Writes nothing."""


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    """The address of a page beside the compiled client."""
    handler = partial(_Files, directory=str(typescript_client()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, card: ModelCard, page_url: str) -> Iterator[FrontEnd]:
    """A front end that accepts the origin of the page."""
    with front_end(tmp_path_factory.mktemp("front-end"), card, cors_origins=page_url) as running:
        yield running


def test_a_page_creates_follows_and_downloads_a_video(browser: Any, service: FrontEnd, page_url: str) -> None:
    page = browser.new_page()
    page.goto(f"{page_url}/README.md")
    result = page.evaluate(PROGRAM, [service.url, service.key])
    assert (result["video"]["status"], result["video"]["mode"]) == ("completed", "image_to_video")
    assert result["video"]["content_sha256"] == hashlib.sha256(VIDEO).hexdigest()
    assert (result["events"][0], result["events"][-1], result["size"]) == ("state", "done", len(VIDEO))
    assert (result["code"], result["requestId"][:4]) == ("invalid_size", "req_")
    page.close()
