"""One JSON submit runs through few files, so that a reader can follow it."""

import asyncio
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
MAX_FILES, MAX_MOVES = 50, 165  # 41 and 129 before the rules on web pages, repetitions, waits and words of prompts


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


def test_a_json_submit_runs_through_few_files(settings: ServiceSettings, announced: ModelCard) -> None:
    trace = Trace()
    statuses = asyncio.run(submit(settings, trace))
    assert statuses == [200, 200]
    files = sorted(Path(path).relative_to(ROOT).as_posix() for path in trace.files)
    assert "service/routes/videos/create.py" in files
    assert len(files) <= MAX_FILES, files
    assert trace.moves <= MAX_MOVES
