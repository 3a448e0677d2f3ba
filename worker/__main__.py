"""`python -m worker` runs one worker until SIGTERM or Ctrl-C; then a running job has its grace period."""

import sys

import structlog

from jobs.invalid_settings import InvalidSettings
from jobs.logs import configure_logging
from jobs.tracing.start import start_traces
from worker import metrics
from worker.crash_points import watch_folder
from worker.health import ProcessHealth
from worker.models.served import ModelNotLoaded
from worker.settings import WorkerSettings
from worker.signing import open_marker
from worker.supervisor.run import engine_for, run_worker

log = structlog.get_logger()


def main() -> int:
    """Runs a worker until a signal; returns the exit code, 2 for wrong settings."""
    try:
        settings = WorkerSettings.read()
        marker = open_marker(settings)
    except InvalidSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging(settings.log_format, settings.log_level, process="worker")
    start_traces("worker")
    watch_folder(settings.crash_points_dir)
    health = ProcessHealth()
    metrics.serve_metrics("worker", settings.metrics_host, settings.worker_metrics_port, health)
    try:
        return run_worker(settings, engine_for(settings), marker, health)
    except ModelNotLoaded as error:
        models = ", ".join(settings.served_models)
        sys.stderr.write(f"The model {models} in {settings.models_dir} cannot be loaded: {error}\n")
        return 1
    except Exception:
        log.exception("worker.failed")
        return 1


if __name__ == "__main__":
    sys.exit(main())
