"""The commands `easyanimate up` and `demo`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from cli.stack.stack import LocalStack
from easyanimate.files.video_file import probe
from tests.e2e.conftest import ENDLESS

WaitUntil = Callable[..., None]
Up = Callable[..., "tuple[subprocess.Popen[str], str]"]


PARTS = ("Redis", "API", "keeper", "worker")
READY_TIMEOUT_S = 240.0  # four processes start beside other tests
# Proxies that cannot be used; nothing on this machine may need one.
PROXIES = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "internal,fd00::/8"}


def processes_of(marker: str) -> list[int]:
    """The ids of the processes with this marker in their environment: all descendants of one command."""
    pids = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and marker.encode() in (process / "environ").read_bytes():
                pids.append(int(process.name))
        except OSError:
            continue
    return pids


@pytest.fixture
def marker(tmp_path: Path) -> str:
    return f"came-from={tmp_path}"


@pytest.fixture
def up(
    tmp_path: Path, models_dir: Path, free_port: Callable[[], int], short_intervals: dict[str, str], marker: str
) -> Iterator[Up]:
    """Starts `easyanimate up` in a folder of its own; returns the process and the address."""
    started: list[subprocess.Popen[str]] = []

    def up(*options: str) -> "tuple[subprocess.Popen[str], str]":
        port = free_port()
        folders = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(models_dir)]
        arguments = ["--port", str(port), *folders, *options]
        with (tmp_path / "stderr.txt").open("a") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli", "up", *arguments],
                env={**os.environ, **short_intervals, **PROXIES, "MARKER": marker},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        started.append(process)
        return process, f"http://127.0.0.1:{port}"

    yield up
    for process in started:
        process.kill()
        process.communicate()


def is_ready(process: "subprocess.Popen[str]", url: str) -> bool:
    assert process.poll() is None, "the command has ended; see stderr.txt"
    try:
        return bool(httpx.get(f"{url}/readyz", timeout=60).json()["workers"].get("easyanimate-v3-tiny"))
    except (httpx.HTTPError, KeyError):
        return False


@pytest.mark.slow
def test_two_ctrl_c_leave_the_data_and_a_kill_leaves_no_process(
    up: Up, api_of: Callable[[str], Any], wait_until: WaitUntil, marker: str, tmp_path: Path
) -> None:
    process, url = up()
    wait_until(lambda: is_ready(process, url), READY_TIMEOUT_S)
    api = api_of(url)
    example = json.dumps({"prompt": api.http.get("/v1/models").json()["data"][0]["card"]["examples"][0]})
    done = api.ended(api.create())
    running = api.create(**ENDLESS)
    wait_until(lambda: api.get(running)["step"] >= 2)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "stopping: " in (tmp_path / "stderr.txt").read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait(200) == 0
    assert processes_of(marker) == []
    assert process.stdout is not None
    assert f"curl {url}/v1/videos -H 'Content-Type: application/json' -d '{example}'" in process.stdout.read()
    printed = (tmp_path / "stderr.txt").read_text()
    assert [part for part in PARTS if f"{part}: ready after " not in printed] == []
    assert "POST" in (tmp_path / "data" / "logs" / "api.log").read_text()
    assert "POST" not in printed

    process, url = up("--json")
    wait_until(lambda: is_ready(process, url), READY_TIMEOUT_S)
    assert process.stdout is not None
    assert json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["url"] == url
    api = api_of(url)
    assert api.get(done["id"])["content_sha256"] == done["content_sha256"]
    assert api.http.get(f"/v1/videos/{done['id']}/content").status_code == 200
    assert api.get(running)["state"] in ("queued", "running")
    process.kill()
    process.wait()
    wait_until(lambda: processes_of(marker) == [])


def test_a_port_in_use_is_refused_with_one_sentence(stack: LocalStack, tmp_path: Path, models_dir: Path) -> None:
    arguments = ["--port", str(stack.plan.port), "--data-dir", str(tmp_path), "--models-dir", str(models_dir)]
    ended = subprocess.run(
        [sys.executable, "-m", "cli", "up", *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1] == (
        f"easyanimate up: port {stack.plan.port} of 127.0.0.1 is in use; choose another with --port"
    )


def test_a_data_folder_in_use_is_refused_with_one_sentence(
    stack: LocalStack, models_dir: Path, free_port: Callable[[], int]
) -> None:
    arguments = ["--port", str(free_port()), "--data-dir", str(stack.plan.data_dir), "--models-dir", str(models_dir)]
    ended = subprocess.run(
        [sys.executable, "-m", "cli", "up", *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 1
    assert "another easyanimate uses the data folder" in ended.stderr.strip().splitlines()[-1]


def test_submit_watch_and_download_use_a_service(stack: LocalStack, tmp_path: Path) -> None:
    def easyanimate(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments, "--url", stack.url],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )

    Image.new("RGB", (64, 128), "red").save(image := tmp_path / "upright.png")
    settings = ("--size", "64x64", "--num-frames", "8", "--steps", "2")
    created = easyanimate("submit", "a red ball", "--image", str(image), *settings)
    assert created.stderr.startswith("note: image: 64x128 is stretched to 64x64, another shape")
    video_id = created.stdout.strip()
    assert "64x64, 8 frames" in easyanimate("watch", video_id).stdout
    easyanimate("download", video_id, "-o", str(tmp_path / "video.mp4"))
    assert probe(tmp_path / "video.mp4").num_frames == 8


@pytest.mark.slow
def test_the_demo_saves_two_videos_and_a_contact_sheet(tmp_path: Path, models_dir: Path, marker: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "cli", "demo", "--output", str(tmp_path / "demo"), "--models-dir", str(models_dir)],
        env={**os.environ, "MARKER": marker},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert ended.returncode == 0, ended.stderr
    for name in ("text-to-video", "image-to-video"):
        assert probe(tmp_path / "demo" / f"{name}.mp4").num_frames == 16
        assert f"{name}.mp4: 96x96, 16 frames at 8 a second; encoding" in ended.stdout
    with Image.open(tmp_path / "demo" / "contact-sheet.png") as sheet:
        assert sheet.width >= 8 * 96
    assert processes_of(marker) == []
