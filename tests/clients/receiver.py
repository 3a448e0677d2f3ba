"""A webhook receiver that records the deliveries."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Receiver:
    """An HTTP server; `deliveries` holds the headers and the body of each request."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[dict[str, str], str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                receiver.deliveries.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    @property
    def url(self) -> str:
        """The address that receives deliveries."""
        return f"http://127.0.0.1:{self.server.server_port}/hook"
