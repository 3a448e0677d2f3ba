"""`list`, `cancel`, `delete`, `watch`, `download` and `open` against a front end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import Result

from cli.commands.remote.connection import FollowingStopped, creation_hint

Run = Callable[..., Result]
RecordOf = Callable[..., dict[str, Any]]
Served = Callable[[type[BaseHTTPRequestHandler]], str]
PROMPT = "a large red circle moving to the right on a blue background"
MISSING = "video_" + "0" * 24


@pytest.fixture
def video_id(easyanimate: Run) -> str:
    """A video that waits."""
    return easyanimate("submit", PROMPT, "--num-frames", 8).stdout.strip()


def test_the_list_has_the_newest_first(easyanimate: Run, video_id: str) -> None:
    line = easyanimate("list", "--limit", 1).stdout
    assert line.startswith(f"{video_id}  queued")
    assert "8 frames" in line
    easyanimate("submit", PROMPT, "--num-frames", 1)
    assert " 1 frame " in easyanimate("list", "--limit", 1).stdout
    assert line.rstrip().endswith(PROMPT)


def test_a_list_of_all_pages_has_each_video_once(record_of: RecordOf, easyanimate: Run, video_id: str) -> None:
    data = record_of("list", "--limit", 1000, "--status", "queued")["data"]
    ids = [record["id"] for record in data]
    assert (ids[0], len(set(ids))) == (video_id, len(ids))
    assert record_of("list", "--order", "asc", "--limit", 1)["data"] != data[:1] or len(data) == 1
    assert video_id not in easyanimate("list", "--after", video_id).stdout


def test_control_characters_of_a_prompt_are_not_printed(easyanimate: Run) -> None:
    easyanimate("submit", "red\x1b[31m\nline two")
    assert easyanimate("list", "--limit", 1).stdout.endswith("red [31m line two\n")


def test_a_cancelled_video_stays_until_it_is_deleted(easyanimate: Run, record_of: RecordOf, video_id: str) -> None:
    assert easyanimate("cancel", video_id).stdout == f"{video_id} is cancelled\n"
    done = easyanimate("watch", video_id)
    assert (done.exit_code, "cancelled" in done.stderr) == (1, True)
    assert record_of("delete", video_id) == {"data": [{"id": video_id, "object": "video.deleted", "deleted": True}]}
    assert easyanimate("watch", video_id).exit_code == 2


def test_one_refusal_does_not_stop_the_others(easyanimate: Run, video_id: str) -> None:
    done = easyanimate("cancel", MISSING, video_id, MISSING.replace("0", "1"))
    assert (done.exit_code, done.stdout) == (2, f"{video_id} is cancelled\n")
    assert done.stderr.count("\n") == 2


@pytest.mark.parametrize("command", ["watch", "download", "cancel", "delete", "open"])
@pytest.mark.parametrize(("text", "reason"), [("", "the id is empty"), ("../x", "is not the id of a video")])
def test_a_text_that_is_no_id_is_refused_at_once(command: str, text: str, reason: str, easyanimate: Run) -> None:
    done = easyanimate(command, text, "--url", "http://127.0.0.1:9")
    assert (done.exit_code, done.stderr.count("\n"), reason in done.stderr) == (2, 1, True), done.stderr


def test_a_url_of_the_api_is_accepted(easyanimate: Run, service_url: str, video_id: str) -> None:
    for url in (f"{service_url}/v1", f"{service_url}/v1/", f"{service_url}/"):
        assert video_id in easyanimate("list", "--url", url).stdout


def test_a_download_is_the_file(
    easyanimate: Run, video_id: str, finish: Callable[[str], bytes], tmp_path: Path
) -> None:
    content = finish(video_id)
    (tmp_path / "folder").mkdir()
    for output, path in (
        ([], f"{video_id}.mp4"),
        (["-o", "a.mp4"], "a.mp4"),
        (["-o", "folder"], f"folder/{video_id}.mp4"),
    ):
        assert easyanimate("download", video_id, *output).stdout.strip() == path
        assert (tmp_path / path).read_bytes() == content
    done = easyanimate("download", video_id, "-o", "nodir/a.mp4")
    assert (done.exit_code, done.stderr) == (2, "easyanimate download: the folder nodir does not exist\n")
    assert not list(tmp_path.rglob(".*.part"))


def test_a_download_into_a_missing_folder_or_without_a_name_saves_nothing(
    easyanimate: Run, video_id: str, finish: Callable[[str], bytes], tmp_path: Path
) -> None:
    finish(video_id)
    assert [easyanimate("download", video_id, "-o", output).exit_code for output in ("new/", "")] == [2, 2]
    assert not list(tmp_path.iterdir())


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(
    easyanimate: Run, video_id: str, finish: Callable[[str], bytes], tmp_path: Path
) -> None:
    content, pipe = finish(video_id), tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    done = easyanimate("download", video_id, "-o", pipe)
    assert (done.exit_code, pipe.is_fifo()) == (0, True), done.output
    reader.join()
    assert received == [content]


def test_a_download_before_the_end_is_refused(easyanimate: Run, video_id: str, tmp_path: Path) -> None:
    assert easyanimate("download", video_id).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_finished_video_is_described(easyanimate: Run, video_id: str, finish: Callable[[str], bytes]) -> None:
    finish(video_id)
    done = easyanimate("watch", video_id)
    assert done.stdout.startswith("128x128, 8 frames, seed ")
    assert done.stderr == f"{video_id}: completed\n"


class Elsewhere(BaseHTTPRequestHandler):
    """Another web server: it answers each request with a page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"null" if "models" in self.path else b"<p/>")

    def log_message(self, *_: object) -> None: ...


def test_another_web_server_is_named(easyanimate: Run) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = easyanimate("watch", MISSING, "--url", url)
        server.shutdown()
    assert (done.exit_code, done.stderr) == (2, f"easyanimate watch: what answers at {url} is not this service\n")


class Moved(Elsewhere):
    """A proxy that redirects to another address."""

    def do_POST(self) -> None:
        self.send_response(301)
        self.send_header("location", f"http://localhost:{self.server.server_address[1]}{self.path}")
        self.send_header("content-length", "0")
        self.end_headers()


class Mute(Elsewhere):
    """A server that closes the connection without an answer."""

    def do_GET(self) -> None:
        self.close_connection = True


@pytest.fixture
def served() -> Iterator[Callable[[type[BaseHTTPRequestHandler]], str]]:
    """Starts a server with a handler and returns its URL."""
    with ExitStack() as stack:

        def start(handler: type[BaseHTTPRequestHandler]) -> str:
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield start


def test_a_redirect_that_loses_the_request_names_the_new_address(easyanimate: Run, served: Served) -> None:
    url = served(Moved)
    done = easyanimate("submit", PROMPT, "--url", url)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert f"{url} redirects to {url.replace('127.0.0.1', 'localhost')}; use that address" in done.stderr


def test_a_service_that_closes_the_connection_is_not_called_missing(easyanimate: Run, served: Served) -> None:
    url = served(Mute)
    done = easyanimate("list", "--url", url)
    assert done.exit_code == 3
    assert done.stderr.startswith(f"easyanimate list: the service at {url} does not answer: ")


def test_ctrl_c_says_how_to_return(video_id: str, service_url: str) -> None:
    command = [sys.executable, "-m", "cli", "watch", video_id, "--url", service_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.readline() == f"{video_id}: queued\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=240)
    assert (process.returncode, stdout, stderr.count("\n")) == (130, "", 1)
    assert f"`easyanimate watch {video_id} --url {service_url}`" in stderr
    assert f"`easyanimate cancel {video_id} --url {service_url}`" in stderr


def test_ctrl_c_at_the_question_deletes_nothing(video_id: str, service_url: str, record_of: RecordOf) -> None:
    terminal, stdin = os.openpty()
    command = [sys.executable, "-m", "cli", "delete", video_id, "--url", service_url]
    with subprocess.Popen(command, stdin=stdin, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr
        assert process.stderr.read(6) == b"delete"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=240)
    os.close(terminal)
    os.close(stdin)
    assert process.returncode == 130
    assert record_of("list", "--limit", 1)["data"][0]["id"] == video_id


def test_ctrl_c_before_the_answer_says_that_the_video_may_exist() -> None:
    said = "the video may exist: `easyanimate list --url http://x`"
    with pytest.raises(FollowingStopped, match=said), creation_hint("http://x"):
        raise KeyboardInterrupt


def test_open_starts_the_browser_with_the_address(video_id: str, service_url: str, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{tmp_path}/opened\n')
    browser.chmod(0o755)
    environment = {**os.environ, "BROWSER": f"{browser} %s"}
    command = [sys.executable, "-m", "cli", "open", video_id, "--json", "--url", service_url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=240)
    address = f"{service_url}/#{video_id}"
    assert json.loads(done.stdout) == {"id": video_id, "url": address}
    assert (tmp_path / "opened").read_text() == f"{address}\n"
