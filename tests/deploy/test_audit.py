"""`make audit` without data on vulnerabilities says that nothing was checked, and fails."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy import advisories
from tests.integration.redis_servers import free_port

SCRIPT = Path(__file__).parents[2] / "deploy" / "audit.sh"


class Index(BaseHTTPRequestHandler):
    """An index; the path of a request is its answer."""

    def do_GET(self) -> None:
        content = {"/data": json.dumps({"vulnerabilities": []}), "/mirror": "{}", "/page": "<html>"}[self.path].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def index() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_index_with_data_can_be_asked(index: str) -> None:
    assert advisories.why_unavailable(f"{index}/data") is None


@pytest.mark.parametrize(("path", "reason"), [("/mirror", "has no data"), ("/page", "does not answer with JSON")])
def test_an_index_without_data_is_named(index: str, path: str, reason: str) -> None:
    assert reason in str(advisories.why_unavailable(index + path))


def test_an_audit_without_an_index_fails_and_says_that_nothing_was_checked() -> None:
    proxy = f"http://127.0.0.1:{free_port()}"  # nothing listens there
    environment = {**os.environ, "https_proxy": proxy, "HTTPS_PROXY": proxy, "no_proxy": "", "NO_PROXY": ""}
    done = subprocess.run(["bash", SCRIPT, sys.prefix], env=environment, capture_output=True, text=True)
    assert (done.returncode, "NOTHING WAS CHECKED" in done.stderr) == (2, True)
