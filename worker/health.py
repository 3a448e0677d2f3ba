"""Whether a worker or a keeper works: what `/livez` and `/startupz` of its metrics port answer.

`/livez` answers 503 with reasons when a thread has ended or hangs, so that an orchestrator restarts the process.
`/startupz` answers 503 until the process works: a load may take minutes, and `/livez` must not count until then.
"""

import json
from collections.abc import Callable, Iterable
from threading import Event, Thread
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Check = Callable[[], str | None]


class ProcessHealth:
    """The checks of one process. `started` is set when the process works."""

    def __init__(self) -> None:
        self.started = Event()
        self._checks: list[Check] = []

    def watch(self, check: Check) -> None:
        """Adds a check, which returns the fault or None."""
        self._checks.append(check)

    def watch_thread(self, thread: Thread) -> None:
        """Adds a thread that must not end."""
        self.watch(lambda: None if thread.is_alive() else f"the thread {thread.name} has ended")

    def faults(self) -> list[str]:
        """The faults of all checks."""
        return [fault for check in self._checks if (fault := check()) is not None]


def with_health(metrics: WSGIApplication, health: ProcessHealth) -> WSGIApplication:
    """An application that answers `/livez` and `/startupz`, and passes all other requests to `metrics`."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path not in ("/livez", "/startupz"):
            return metrics(environ, start_response)
        if path == "/livez":
            faults = health.faults()
        else:
            faults = [] if health.started.is_set() else ["the process has not started yet"]
        body = json.dumps({"status": "failed" if faults else "ok", "faults": faults}).encode()
        status = "503 Service Unavailable" if faults else "200 OK"
        start_response(status, [("content-type", "application/json"), ("content-length", str(len(body)))])
        return [b""] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    return application
