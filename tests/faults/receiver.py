"""A webhook receiver that records the final events of jobs."""

import json
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

FINAL = {"video.completed", "video.failed", "video.cancelled"}


class Receiver:
    """`final` holds the pairs of webhook id and final event type of each job."""

    def __init__(self) -> None:
        received: dict[str, set[tuple[str, str]]] = defaultdict(set)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if event["type"] in FINAL:
                    received[event["data"]["id"]].add((self.headers["webhook-id"], event["type"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Writes no log."""

        self.final = received
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stops the server and closes its socket."""
        self.server.shutdown()
        self.server.server_close()
