"""`python -m service` as a process: without torch, several at a time, stopped by a signal."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from jobs.storage.signed_urls import sign_path

ROOT = Path(__file__).parents[4]
HEAVY = ("torch", "diffusers", "transformers", "av", "numpy", "mcp")  # mcp is off by default


@pytest.fixture
def run_service(redis_url: str, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Callable[..., str]]:
    """Starts `python -m service` without the packages of the model and of MCP; returns its address."""
    blocked = tmp_path / "blocked"
    for name in HEAVY:
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text(f"raise ImportError('{name} must not be imported here')")
    running: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> str:
        port = free_port()
        environ = {f"EASYANIMATE_{name.upper()}": value for name, value in environment.items()}
        environ |= {"EASYANIMATE_PORT": str(port), "EASYANIMATE_REDIS_URL": redis_url}
        environ |= {"EASYANIMATE_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": f"{blocked}:{ROOT}"}
        with (tmp_path / "log").open("ab") as log:
            running.append(subprocess.Popen([sys.executable, "-m", "service"], env=environ, stderr=log, cwd=tmp_path))
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, running[-1])
        return url

    start.running = running  # type: ignore[attr-defined]
    yield start
    for process in running:
        process.kill()
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            httpx.get(f"{url}/healthz", timeout=60)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"python -m service ended with {process.returncode}")


@pytest.mark.slow
def test_two_front_ends_without_torch_serve_the_same_job(run_service, announced) -> None:
    one, other = run_service(), run_service()
    video_id = httpx.post(f"{one}/v1/videos", json={"prompt": "a red fox"}, timeout=60).json()["id"]
    assert httpx.get(f"{other}/v1/videos/{video_id}", timeout=60).json()["status"] == "queued"
    assert httpx.post(f"{other}/v1/videos/{video_id}/cancel", timeout=60).json()["state"] == "cancelled"
    assert httpx.get(f"{one}/v1/videos/{video_id}", timeout=60).json()["state"] == "cancelled"


@pytest.mark.slow
def test_a_link_signed_with_the_stored_secret_is_valid_at_every_front_end(run_service, tmp_path: Path) -> None:
    addresses = run_service(), run_service()
    (tmp_path / "data" / "objects").mkdir()
    (tmp_path / "data" / "objects" / "a.txt").write_bytes(b"hello")
    path = sign_path((tmp_path / "data" / "signing.secret").read_bytes(), "a.txt", 2**40, "a.txt")
    assert [httpx.get(address + path, timeout=60).content for address in addresses] == [b"hello", b"hello"]


def test_sigterm_exits_with_status_0(run_service) -> None:
    run_service()
    process = run_service.running[0]
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0


def test_a_draining_process_answers_and_refuses_new_videos(run_service, announced) -> None:
    url = run_service(shutdown_delay_s="300")  # longer than the requests below take on a slow machine
    video_id = httpx.post(f"{url}/v1/videos", json={"prompt": "a red fox"}, timeout=60).json()["id"]
    process = run_service.running[0]
    process.send_signal(signal.SIGTERM)
    while (ready := httpx.get(f"{url}/readyz", timeout=60)).json()["status"] != "draining":
        time.sleep(0.05)
    assert ready.status_code == 503
    refused = httpx.post(f"{url}/v1/videos", json={"prompt": "a red fox"}, timeout=60)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
    assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")
    assert httpx.get(f"{url}/v1/videos/{video_id}", timeout=60).json()["status"] == "queued"
    assert process.poll() is None
    process.send_signal(signal.SIGINT)  # ends the delay
    assert process.wait(120) == 0


def test_the_log_has_one_line_for_each_request_and_no_prompt_key_or_query(
    run_service, announced, tmp_path: Path
) -> None:
    url = run_service(api_keys="s3cret,other")
    headers = {"Authorization": "Bearer s3cret", "x-request-id": "my-request"}
    video = httpx.post(
        f"{url}/v1/videos?p=query", json={"prompt": "a private thing"}, headers=headers, timeout=60
    ).json()
    httpx.post(f"{url}/v1/videos", json={"prompt": "a private thing", "seed": "private"}, headers=headers, timeout=60)
    httpx.get(f"{url}/files/a?signature=query", timeout=60)
    run_service.running[0].terminate()  # the last line may be written after its response
    run_service.running[0].wait(120)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    finished = [line for line in lines if line["event"] == "request.finished"]
    assert [(line["method"], line["path"], line["status"]) for line in finished] == [
        ("POST", "/v1/videos", 200),
        ("POST", "/v1/videos", 400),
        ("GET", "/files/a", 403),
    ]
    admitted = next(line for line in lines if line["event"] == "job.admitted")
    assert (admitted["job_id"], admitted["request_id"]) == (video["id"], "my-request")
    assert not any(word in (tmp_path / "log").read_text() for word in ("private", "s3cret", "query"))


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"HOST": "0.0.0.0", "AUTH": "off"}, "set EASYANIMATE_AUTH=keys"),
        ({"PORT": "many"}, "EASYANIMATE_PORT: "),
        ({"S3__REGIO": "x"}, "EASYANIMATE_S3__REGIO: "),
    ],
)
def test_invalid_settings_exit_with_a_sentence(environment: dict[str, str], text: str, tmp_path: Path) -> None:
    environ = {f"EASYANIMATE_{name}": value for name, value in environment.items()} | {"PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-m", "service"], env=environ, capture_output=True, cwd=tmp_path, timeout=240
    )
    assert process.returncode == 1
    assert text in process.stderr.decode()
    assert "Traceback" not in process.stderr.decode()
