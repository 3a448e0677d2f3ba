"""One JSON submit runs through few files, so that a reader can follow it."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from jobs.model.model_card import ModelCard
from service.app import create_app
from service.settings import ServiceSettings

ROOT = Path(__file__).parents[4]
PACKAGES = tuple(f"{ROOT / name}/" for name in ("service", "jobs", "worker", "cli"))
# 41 and 129 before pages, repetitions, waits, words, drafts, traces, shared runs, and codes of warnings
MAX_FILES, MAX_MOVES = 53, 172


class Trace:
    """The files of the packages that run, and how often a call is in another file than the previous call."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.moves = -1  # the first call is no move
        self.latest = ""

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        path = frame.f_code.co_filename
        if event != "call" or not path.startswith(PACKAGES):
            return
        self.files.add(path)
        self.moves += path != self.latest
        self.latest = path

    @contextmanager
    def running(self) -> Iterator[None]:
        threading.setprofile_all_threads(self) if sys.version_info >= (3, 12) else threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


async def submit(settings: ServiceSettings, trace: Trace) -> list[int]:
    """The status of two submits; the second is traced, when what is built once is there."""
    app = create_app(settings)
    body = {"prompt": "a red ball rolls across a meadow", "num_frames": 16, "size": "128x128", "seed": 7}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        first = await client.post("/v1/videos", json={**body, "seed": 6})
        with trace.running():
            second = await client.post("/v1/videos", json=body)
    await app.state.resources.close()
    return [first.status_code, second.status_code]


def main(redis_url: str, data_dir: str) -> None:
    """Prints the statuses, the files and the number of moves as JSON in the last line, after those of the log."""
    trace = Trace()
    settings = ServiceSettings.model_validate({"redis_url": redis_url, "data_dir": data_dir})
    statuses = asyncio.run(submit(settings, trace))
    files = sorted(Path(path).relative_to(ROOT).as_posix() for path in trace.files)
    sys.stdout.write(f"\n{json.dumps([statuses, files, trace.moves])}\n")


def test_a_json_submit_runs_through_few_files(redis_url: str, announced: ModelCard, tmp_path: Path) -> None:
    # A process of its own has no threads and no log configuration of other tests.
    command = [sys.executable, "-m", "tests.integration.service.submission.test_files_of_a_submit", redis_url, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    statuses, files, moves = json.loads(done.stdout.splitlines()[-1])
    assert statuses == [200, 200]
    assert "service/routes/videos/create.py" in files
    assert len(files) <= MAX_FILES, files
    assert moves <= MAX_MOVES


if __name__ == "__main__":
    main(*sys.argv[1:])
