"""The doctor at the moderation hook: reachable, absent, a wrong secret, refusals, and a hook that verifies nothing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.checks.moderation import check_moderation
from jobs.settings import Settings
from tests.integration.redis_servers import free_port
from tests.moderation_hook import SECRET, Hook, running_hook

OTHER_SECRET = "whsec_" + "QUFB" * 8


@pytest.fixture
def hook() -> Iterator[Hook]:
    with running_hook() as hook:
        yield hook


def settings_for(url: str | None, folder: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {"data_dir": folder, "moderation_url": url, "moderation_secret": SECRET}
    return Settings(**{**values, **changes})


def levels(settings: Settings) -> list[tuple[str, str]]:
    return [(result.level, result.message) for result in check_moderation(settings)]


def test_nothing_is_said_without_a_hook(tmp_path: Path) -> None:
    assert levels(settings_for(None, tmp_path)) == []


def test_a_hook_that_allows_and_verifies_is_ok(hook: Hook, tmp_path: Path) -> None:
    ((level, message),) = levels(settings_for(hook.url, tmp_path))
    assert (level, "answers" in message) == ("ok", True)
    assert [(case["owner"], case["files"]) for case in hook.cases] == [("easyanimate-doctor", [])]


def test_a_hook_with_another_secret_is_broken(hook: Hook, tmp_path: Path) -> None:
    (result,) = check_moderation(settings_for(hook.url, tmp_path, moderation_secret=OTHER_SECRET))
    assert (result.level, "signature" in result.message) == ("broken", True)
    assert "EASYANIMATE_MODERATION_SECRET" in result.advice


def test_a_hook_that_refuses_a_harmless_prompt_is_a_warning(hook: Hook, tmp_path: Path) -> None:
    hook.reply = lambda _: {"allow": False, "reason": "no balls"}
    ((level, message),) = levels(settings_for(hook.url, tmp_path))
    assert (level, message.endswith("no balls")) == ("warning", True)


@pytest.mark.parametrize(("on_error", "level"), [("refuse", "broken"), ("allow", "warning")])
def test_a_hook_that_is_away_is_as_bad_as_the_setting_says(tmp_path: Path, on_error: str, level: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/check"
    (result,) = check_moderation(settings_for(url, tmp_path, moderation_on_error=on_error))
    assert (result.level, "no connection" in result.message) == (level, True)


def test_a_reply_that_is_no_verdict_is_broken(hook: Hook, tmp_path: Path) -> None:
    hook.reply = lambda _: {"result": "fine"}
    ((level, message),) = levels(settings_for(hook.url, tmp_path))
    assert (level, "the reply is not" in message) == ("broken", True)


def test_a_hook_that_verifies_no_signature_is_a_warning(tmp_path: Path) -> None:
    class Credulous(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            content = json.dumps({"allow": True}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Credulous)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    found = levels(settings_for(f"http://127.0.0.1:{server.server_port}/check", tmp_path))
    server.shutdown()
    server.server_close()
    assert [level for level, _ in found] == ["ok", "warning"]
    assert found[1][1] == "the hook answers a request with a wrong signature"
