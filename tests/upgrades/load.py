"""A steady load of small jobs, while processes are replaced. It counts what callers see."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from typing import Any, Self

import httpx

BRIEF = {"size": "32x32", "num_frames": 8, "num_inference_steps": 2}
LONG = {"size": "64x64", "num_frames": 16, "num_inference_steps": 40}  # a replaced worker releases it
LONG_EVERY = 4
MAX_WAITING = 3  # jobs that have not ended
END_TIMEOUT_S = 300.0
PAUSE_S = 0.3


@dataclass
class Counts:
    """What one sequence of replacements did to its jobs. `errors` are unexpected answers, by status and code."""

    submitted: int = 0
    finished: int = 0
    failed: int = 0
    lost: int = 0
    twice: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def is_loss(self) -> bool:
        """Whether a job was lost, failed, or had two results."""
        return bool(self.lost or self.failed or self.twice)


class Load:
    """Submits and reads jobs in a thread, inside its block. At its end, all jobs have ended or count as lost."""

    def __init__(self, urls: Callable[[], list[str]]) -> None:
        self._urls = urls
        self.counts = Counts()
        self._open: list[str] = []
        self._numbers = count()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        deadline = time.monotonic() + END_TIMEOUT_S
        while self._open and time.monotonic() < deadline:
            self._read_all()
            time.sleep(PAUSE_S)
        self.counts.lost += len(self._open)

    def _run(self) -> None:
        while not self._stopped.wait(PAUSE_S):
            if len(self._open) < MAX_WAITING:
                self._submit()
            self._read_all()
            self._request("GET", "/v1/videos?limit=5")

    def _submit(self) -> None:
        number = next(self._numbers)
        job = LONG if number % LONG_EVERY == 0 else BRIEF
        body = {"prompt": "a red ball", "seed": number, **job}
        headers = {"Idempotency-Key": f"upgrade-{id(self)}-{number}"}
        while (record := self._request("POST", "/v1/videos", json=body, headers=headers)) is None:
            if self._stopped.wait(PAUSE_S):  # no answer has accepted it
                return
        self.counts.submitted += 1
        self._open.append(record["id"])

    def _read_all(self) -> None:
        for job_id in list(self._open):
            record = self._request("GET", f"/v1/videos/{job_id}")
            if record is not None and record["status"] in ("completed", "failed"):
                self._open.remove(job_id)
                self._count_end(job_id, record["status"])

    def _count_end(self, job_id: str, status: str) -> None:
        if status == "failed":
            self.counts.failed += 1
            return
        self.counts.finished += 1
        attempts = self._request("GET", f"/v1/videos/{job_id}/attempts") or {"data": []}
        self.counts.twice += sum(attempt["outcome"] == "completed" for attempt in attempts["data"]) > 1

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        """The JSON of a successful answer; None after an error, which is counted."""
        try:
            response = httpx.request(method, f"{self._urls()[0]}{path}", timeout=60, **options)
        except httpx.HTTPError as error:
            self.counts.errors[type(error).__name__] += 1
            return None
        if response.is_success:
            return dict(response.json())
        code = str(response.status_code)
        with suppress(ValueError, KeyError, TypeError):
            code = f"{code} {response.json()['error']['code']}"
        self.counts.errors[code] += 1
        return None
