"""The keeper: lost workers' jobs go to others, webhooks to their receivers, old files away. `python -m worker.keeper`.

Several keepers may run at once: every step is a compare-and-set, and a delivery is claimed before it is tried.
"""

import signal
import sys
from queue import SimpleQueue
from threading import Event, Thread

import structlog
from pydantic import ValidationError

from jobs.logs import configure_logging
from jobs.outbound_http import OutboundClient
from jobs.redis.connection import connect
from jobs.storage.factory import open_storage
from jobs.store.keeper.recovery import JobStore
from worker import metrics
from worker.crash_points import watch_folder
from worker.keeper.deliverer import Deliverer
from worker.keeper.orphans import OrphanSweeper
from worker.keeper.recovery import RecoverySweeper
from worker.keeper.retention import RetentionSweeper
from worker.keeper.uploads import UploadSweeper
from worker.settings import KeeperSettings

log = structlog.get_logger()


def run_keeper(settings: KeeperSettings, signals: "SimpleQueue[int]") -> None:
    """Sweep and deliver until a signal comes."""
    store = JobStore(connect(settings.redis_url.get_secret_value(), retries=2), lease_s=settings.lease_s)
    outbound = OutboundClient(allow_private=settings.webhook_allow_private, timeout_s=settings.webhook_timeout_s)
    deliverer = Deliverer(store, outbound, settings.secret_for("webhook"), settings.webhook_threads)
    storage = open_storage(settings)
    stopped = Event()
    tasks = {
        "sweeper": RecoverySweeper(store, settings).run,
        "deliverer": deliverer.run,
        "janitor": RetentionSweeper(store, storage, settings).run,
        "files": UploadSweeper(store, storage, settings.retention_sweep_s).run,
        "orphans": OrphanSweeper(store, storage, settings).run,
    }
    threads = [Thread(target=task, args=[stopped], name=name) for name, task in tasks.items()]
    for thread in threads:
        thread.start()
    log.info("keeper.started")
    signals.get()
    stopped.set()
    for thread in threads:
        thread.join()
    log.info("keeper.ended")


def main() -> int:
    """Keep until a signal comes; the exit code: 2 if the settings are wrong."""
    try:
        settings = KeeperSettings()
    except ValidationError as error:
        sys.stderr.write(f"The settings are wrong: {error}\n")
        return 2
    configure_logging(settings.log_format, process="keeper")
    watch_folder(settings.crash_points_dir)
    metrics.serve_metrics(settings.metrics_host, settings.keeper_metrics_port)
    signals: SimpleQueue[int] = SimpleQueue()  # the one thing that may be touched in a signal handler
    signal.signal(signal.SIGTERM, lambda number, _: signals.put(number))
    signal.signal(signal.SIGINT, lambda number, _: signals.put(number))
    run_keeper(settings, signals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
