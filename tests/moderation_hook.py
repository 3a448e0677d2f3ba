"""A moderation hook on a free port: it refuses wrong signatures, keeps the requests, and replies what a test wants."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
ALLOWED = {"allow": True}

Reply = Callable[[dict[str, Any]], Any]


@dataclass
class Hook:
    """`reply` returns the JSON of a reply, or bytes as they are. `status` and `delay_s` apply to all replies."""

    url: str = ""
    reply: Reply = lambda _: ALLOWED
    status: int = 200
    delay_s: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)  # ends the delays
    cases: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stages(self) -> list[str]:
        """The stages of all requests, in order."""
        return [case["stage"] for case in self.cases]


@contextmanager
def running_hook() -> Iterator[Hook]:
    """The hook while the block runs."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                case = Webhook(SECRET).verify(body, dict(self.headers))
            except WebhookVerificationError:
                self.send_error(401)
                return
            hook.cases.append(case)
            hook.ended.wait(hook.delay_s)
            reply = hook.reply(case)
            content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_response(hook.status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Writes nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}/check"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield hook
    hook.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()
