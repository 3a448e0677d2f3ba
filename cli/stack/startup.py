"""The start of the stack: which process is ready, and for which one the command waits."""

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import httpx

from jobs.model.states import PAUSED, IdleReason

REPORT_EVERY_S = 5.0
PROBE_TIMEOUT_S = 5.0
IDLE = {
    IdleReason.DISK_FULL: "takes no jobs: the disk of its spool is full",
    IdleReason.DRAINING: "takes no jobs: it stops after its job",
    PAUSED: "takes no jobs: an operator has paused the queue of the model",
}


class StartupReport:
    """Prints when each part is ready, and what the others are doing: after five seconds, then less often."""

    def __init__(self, notify: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._notify, self._now = notify, now
        self._began_at = self._reported_at = now()
        self._ready: set[str] = set()

    def add(self, states: Mapping[str, str | None]) -> bool:
        """Whether all parts are ready. `states` has for each part what it is doing, None when it is ready."""
        now = self._now()
        seconds = now - self._began_at
        for name in [name for name, state in states.items() if state is None and name not in self._ready]:
            self._ready.add(name)
            self._notify(f"{name}: ready after {seconds:.1f} s")
        if now - self._reported_at >= max(REPORT_EVERY_S, seconds / 4):  # less often while a large model loads
            self._reported_at = now
            for name, state in states.items():
                if state is not None:
                    self._notify(f"{name}: {state} ({seconds:.0f} s)")
        return not any(states.values())


class IdleReport:
    """Prints when the worker begins to take no jobs, and when it takes jobs again."""

    def __init__(
        self, notify: Callable[[str], None], model: str, url: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._notify, self._model, self._url, self._now = notify, model, url, now
        self._read_at = now()
        self._state: str | None = None

    def update(self) -> None:
        """Reads `/readyz` of the API every five seconds; a running worker without an answer keeps its state."""
        if self._now() - self._read_at < REPORT_EVERY_S:
            return
        self._read_at = self._now()
        if (readiness := read_json(self._url)) is None or "idle_reasons" not in readiness:
            return
        state = idle_state(readiness, self._model)
        if state != self._state:
            self._notify(f"the worker {state or 'takes jobs again'}")
        self._state = state


def read_json(url: str) -> dict[str, Any] | None:
    """The JSON of a probe, of any status; None if nothing answers. Loopback is never reached by a proxy."""
    try:
        answer = _client().get(url).json()
    except (httpx.HTTPError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


@cache
def _client() -> httpx.Client:
    """One client for all probes: each new one reads the trusted certificates, which takes 40 ms of processor time."""
    return httpx.Client(timeout=PROBE_TIMEOUT_S, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def api_state(readiness: Mapping[str, Any] | None) -> str | None:
    """What keeps the API from accepting jobs, by its `/readyz`; a model comes with the worker."""
    if readiness is None:
        return "does not answer yet"
    missing = [part for part in readiness.get("missing", []) if part != "model"]
    return f"reports as missing: {', '.join(missing)}" if missing else None


def worker_state(readiness: Mapping[str, Any] | None, model: str) -> str | None:
    """What the worker is doing until it can take jobs of the model, by the `/readyz` of the API."""
    if readiness is None or readiness.get("workers", {}).get(model, 0) == 0:
        return f"loads the model {model}"
    is_unable = readiness.get("idle_reasons", {}).get(model) in (IdleReason.DISK_FULL, IdleReason.MODEL_BROKEN)
    return idle_state(readiness, model) if is_unable else None


def idle_state(readiness: Mapping[str, Any] | None, model: str) -> str | None:
    """Why a live worker takes no jobs of the model, by the `/readyz` of the API; None if it does."""
    reason = (readiness or {}).get("idle_reasons", {}).get(model)
    return IDLE.get(reason, f"takes no jobs: {reason}") if reason else None


def keeper_state(startup: Mapping[str, Any] | None) -> str | None:
    """What the keeper is doing, by its `/startupz`."""
    return None if startup is not None and startup.get("status") == "ok" else "starts"
