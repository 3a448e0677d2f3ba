"""`python -m benchmarks.capacity.light_worker COUNT STEP_S`: so many workers without a model, each in a thread.

Supervisor, leases, heartbeats, tickets and storage are those of `python -m worker`. The engine is in the same process:
it waits `STEP_S` for each step of a request and writes files of a few bytes. SIGTERM drains all workers.
"""

import hashlib
import json
import signal
import sys
import time
from collections import deque
from pathlib import Path
from threading import Thread

from benchmarks.front_ends import CARD
from jobs.logs import configure_logging
from jobs.model.result_files import FILES, IMAGES, Variant
from jobs.model.states import Phase
from tests.integration.worker.no_marks import NoMarks
from worker.attempt.engine_process import EngineProcess
from worker.drain import Drain
from worker.health import ProcessHealth
from worker.models.served import ServedModels
from worker.protocol.messages import Cancel, Command, Done, Event, Failed, Loaded, LoadModel, Pause, Progress, Run
from worker.settings import WorkerSettings
from worker.supervisor.run import run_jobs
from worker.supervisor.spool import Spool
from worker.supervisor.supervisor import new_worker_name


class LightEngine(EngineProcess):
    """An engine without a process and a model. Only the thread of its worker uses it."""

    def __init__(self, step_s: float) -> None:
        super().__init__(LoadModel(Path(CARD.name), "cpu", "float32", "json"))
        self.step_s = step_s
        self.loaded = {CARD.name: Loaded()}
        self._events: deque[tuple[float, Event]] = deque()  # with the time at which each is due

    def start(self, model: str | None = None) -> None:
        """The model is always loaded."""

    def send(self, command: Command) -> None:
        """Plans the events of a run, or ends it."""
        if isinstance(command, Run):
            self._plan(command)
        elif isinstance(command, Cancel | Pause):
            self._events = deque([(time.monotonic(), Failed("cancelled"))])

    def poll(self, timeout_s: float) -> Event | None:
        """The next event that is due within `timeout_s`."""
        left_s = self._events[0][0] - time.monotonic() if self._events else timeout_s
        time.sleep(max(0.0, min(left_s, timeout_s)))
        return self._events.popleft()[1] if self._events and left_s <= timeout_s else None

    def drain_messages(self) -> None:
        """Nothing comes between two jobs."""

    def kill(self) -> None:
        """Forgets the run."""
        self._events.clear()

    def stop(self) -> None:
        """There is no process."""

    def _plan(self, run: Run) -> None:
        steps, now = run.request.num_inference_steps, time.monotonic()
        reports = [(now + step * self.step_s, Progress(Phase.DENOISING, step, steps)) for step in range(steps + 1)]
        self._events = deque([*reports, (now + steps * self.step_s, _result(run, steps, steps * self.step_s))])


def _result(run: Run, steps: int, seconds: float) -> Done:
    """Writes the files of a result; they are no videos."""
    content = run.id.encode()
    run.output_path.write_bytes(content)
    manifest = json.dumps({"settings": run.request.model_dump(mode="json")})
    run.output_path.with_name(FILES[Variant.MANIFEST]).write_text(manifest)
    for name in IMAGES:
        run.output_path.with_name(name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Done(digest, len(content), 1.0, {Phase.DENOISING.value: seconds}, steps=steps)


def run_light_worker(settings: WorkerSettings, drain: Drain, step_s: float) -> None:
    """Runs one worker until its drain."""
    spool = Spool(settings.spool, new_worker_name())
    served = ServedModels({CARD.name: CARD})
    try:
        run_jobs(settings, LightEngine(step_s), drain, spool, served, NoMarks(), ProcessHealth())
    finally:
        spool.close()


def main() -> None:
    """Runs the workers until SIGTERM."""
    settings = WorkerSettings.read()
    configure_logging(settings.log_format, "error", process="worker")
    drains = [Drain(settings.drain_grace_s) for _ in range(int(sys.argv[1]))]
    signal.signal(signal.SIGTERM, lambda *_: [drain.begin() for drain in drains])
    threads = [Thread(target=run_light_worker, args=(settings, drain, float(sys.argv[2]))) for drain in drains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
