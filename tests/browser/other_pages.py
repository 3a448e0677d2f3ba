"""Web pages of other origins than the service, on this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.clients.environments import node_project

PAGE = b"<!doctype html><meta charset=utf-8><title>another page</title><body></body>"
PLAYER = "/hls.js"


class _Pages(BaseHTTPRequestHandler):
    """Answers each path with an empty page, and `/hls.js` with the library."""

    def do_GET(self) -> None:
        is_player = self.path == PLAYER
        body = (node_project() / "node_modules/hls.js/dist/hls.min.js").read_bytes() if is_player else PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_player else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Writes nothing."""


@contextmanager
def other_pages() -> Iterator[int]:
    """Serves the pages; returns the port. Each name below `.example` leads to it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()
