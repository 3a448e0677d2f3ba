"""The start of the stack: which process is ready, and for which one the command waits."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

REPORT_EVERY_S = 5.0
PROBE_TIMEOUT_S = 5.0


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


def read_json(url: str) -> dict[str, Any] | None:
    """The JSON of a probe, of any status; None if nothing answers. Loopback is never reached by a proxy."""
    try:
        answer = httpx.get(url, timeout=PROBE_TIMEOUT_S, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def api_state(readiness: Mapping[str, Any] | None) -> str | None:
    """What keeps the API from accepting jobs, by its `/readyz`; a model comes with the worker."""
    if readiness is None:
        return "does not answer yet"
    missing = [part for part in readiness.get("missing", []) if part != "model"]
    return f"reports as missing: {', '.join(missing)}" if missing else None


def worker_state(readiness: Mapping[str, Any] | None, model: str) -> str | None:
    """What the worker is doing until it serves the model, by the `/readyz` of the API."""
    is_served = readiness is not None and readiness.get("workers", {}).get(model, 0) > 0
    return None if is_served else f"loads the model {model}"


def keeper_state(startup: Mapping[str, Any] | None) -> str | None:
    """What the keeper is doing, by its `/startupz`."""
    return None if startup is not None and startup.get("status") == "ok" else "starts"
