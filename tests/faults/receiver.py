"""A receiver of webhooks that remembers how it heard jobs end."""

import json
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

FINAL = {"video.completed", "video.failed", "video.cancelled"}


class Receiver:
    """`final`: for each job the pairs of webhook id and event type that said it has ended."""

    def __init__(self) -> None:
        heard: dict[str, set[tuple[str, str]]] = defaultdict(set)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if event["type"] in FINAL:
                    heard[event["data"]["id"]].add((self.headers["webhook-id"], event["type"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.final = heard
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
