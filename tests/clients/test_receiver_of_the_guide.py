"""The webhook receiver in Node that the documentation shows in full accepts signed events only."""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import httpx
from standardwebhooks import Webhook

from cli.stack.ports import free_port

PAGE = Path(__file__).parents[2] / "docs" / "get-started" / "integrate.md"
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoaXMgdGVzdCE="
EVENT = '{"type": "video.completed", "data": {"id": "video_1"}}'


def test_the_receiver_accepts_signed_events_only(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```js\n(// receiver\.mjs.*?)^```", PAGE.read_text(), re.M | re.S)
    (tmp_path / "receiver.mjs").write_text(program)
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    command = ["node", "receiver.mjs"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            now = datetime.now(UTC)
            headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(now.timestamp()))}
            signature = Webhook(SECRET).sign("evt_1", now, EVENT)
            transport = httpx.HTTPTransport(retries=8)  # until it listens
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=60) as http:
                signed = http.post("/", content=EVENT, headers={**headers, "webhook-signature": signature})
                changed = http.post("/", content=EVENT + " ", headers={**headers, "webhook-signature": signature})
                unsigned = http.post("/", content=EVENT)
            assert [answer.status_code for answer in (signed, changed, unsigned)] == [204, 400, 400]
            assert receiver.stdout
            assert receiver.stdout.readline() == "video.completed video_1\n"
        finally:
            receiver.kill()
