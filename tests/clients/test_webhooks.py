"""Each library for Standard Webhooks accepts a delivered webhook and refuses a changed one."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import svix.webhooks
from markdown_it import MarkdownIt
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from jobs.webhooks.signature import signed_headers
from tests.clients.conftest import KEY
from tests.clients.environments import node, python_of
from tests.clients.receiver import Receiver
from tests.clients.wire import Wire

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "api.md"
SECRET = "whsec_" + "d2ViaG9v" * 5
Run = Callable[..., dict[str, Any]]
Delivery = tuple[str, dict[str, str], str]


@pytest.fixture(scope="module")
def delivery(_wire: Wire, receiver: Receiver) -> Delivery:
    """The id of a completed video, and the headers and body of its webhook."""
    request = {"prompt": "a", "size": "64x64", "num_frames": 8, "num_inference_steps": 1}
    request |= {"webhook": {"url": receiver.url, "secret": SECRET}}
    headers = {"Authorization": f"Bearer {KEY}"}
    response = httpx.post(f"{_wire.url}/v1/videos", json=request, headers=headers, timeout=120)
    video_id = response.raise_for_status().json()["id"]
    deadline = time.monotonic() + 300
    while not (matches := [(headers, body) for headers, body in receiver.deliveries if video_id in body]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return video_id, *matches[0]


def test_the_package_standardwebhooks_verifies_a_delivery(delivery: Delivery) -> None:
    video_id, headers, body = delivery
    event = Webhook(SECRET).verify(body, headers)
    assert (event["type"], event["data"]["id"]) == ("video.completed", video_id)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + " ", headers)


def test_the_package_svix_verifies_a_delivery(delivery: Delivery) -> None:
    _, headers, body = delivery
    svix.webhooks.Webhook(SECRET).verify(body, headers)
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(SECRET).verify(body + " ", headers)


def example(language: str, text: str) -> str:
    """The code block of the guide in this language that contains the text."""
    fences = [token for token in MarkdownIt("commonmark").parse(GUIDE.read_text()) if token.type == "fence"]
    (result,) = (fence.content for fence in fences if fence.info == language and text in fence.content)
    return result


def test_the_python_example_of_the_guide_verifies_a_delivery(delivery: Delivery) -> None:
    video_id, headers, body = delivery
    fetched: list[str] = []
    names: dict[str, Any] = {"SECRET": SECRET, "fetch": fetched.append}
    exec(compile(example("python", "def receive"), "docs/guides/api.md", "exec"), names)
    assert names["receive"](headers, body) == 204
    assert names["receive"](headers, body.replace("completed", "cancelled")) == 400
    assert fetched == [video_id]


def test_the_node_example_of_the_guide_verifies_a_delivery(delivery: Delivery, tmp_path: Path) -> None:
    video_id, headers, body = delivery
    program = tmp_path / "receive.cjs"
    inputs = json.dumps([SECRET, headers, body])
    program.write_text(f"""{example("js", "function verify")}
const [secret, headers, body] = {inputs};
let forged = "accepted";
try {{ verify(secret, headers, body.replace("completed", "cancelled")); }} catch (error) {{ forged = error.message; }}
console.log(JSON.stringify({{ id: verify(secret, headers, body).data.id, forged }}));
""")
    output = json.loads(subprocess.run([node(), program], capture_output=True, check=True, timeout=240).stdout)
    assert output == {"id": video_id, "forged": "not from the service"}


@pytest.mark.parametrize("version", ["2.2.0", "newest"])
def test_openais_client_unwraps_a_delivery(delivery: Delivery, version: str, run_program: Run, newest: str) -> None:
    video_id, headers, body = delivery
    python = python_of("openai-2.2") if version == "2.2.0" else newest
    result = run_program(python, "verify_webhook.py", SECRET, json.dumps({"headers": headers, "body": body}))
    assert result == {"type": "video.completed", "id": video_id, "forged": "InvalidWebhookSignatureError"}


def test_the_packages_for_node_verify_a_delivery(delivery: Delivery, run_node: Run) -> None:
    video_id, headers, body = delivery
    result = run_node("verify_webhook.mjs", SECRET, json.dumps({"headers": headers, "body": body}))
    assert set(result) == {"standardwebhooks", "svix", "openai"}
    for output in result.values():
        assert (output["type"], output["id"]) == ("video.completed", video_id)
        assert output["forged"].endswith(("VerificationError", "SignatureError"))


def test_the_node_verifier_of_the_guide_accepts_only_valid_signatures() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "api.md").read_text()
    [verifier] = [code for code in re.findall(r"```js\n(.*?)```", guide, re.DOTALL) if "function verify" in code]
    body, old = '{"type":"video.completed","word":"狐"}', "whsec_" + "b2xk" * 10
    headers = signed_headers([old, SECRET], "evt_1", body, time.time())
    cases = [(headers, body), (headers, body + " "), ({**headers, "webhook-timestamp": "1"}, body)]
    cases.append(({**headers, "webhook-signature": "v1, nonsense v2"}, body))
    calls = """
      const [secret, cases] = JSON.parse(process.argv[1]);
      const outcome = ([headers, body]) => {
        try { return verify(secret, headers, body).type; } catch (refusal) { return refusal.message; }
      };
      console.log(JSON.stringify(cases.map(outcome)));
    """
    command = [node(), "-e", verifier + calls, json.dumps([SECRET, cases])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert json.loads(done.stdout) == ["video.completed", "not from the service", "too old", "not from the service"]
