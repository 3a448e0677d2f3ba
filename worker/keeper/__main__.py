"""`python -m worker.keeper` recovers jobs of lost workers, delivers webhooks and deletes expired files.

Several keepers may run at once: every step is a compare-and-set, and a delivery is claimed before it is sent.
"""

import signal
import sys
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread

import structlog

from jobs.invalid_settings import InvalidSettings
from jobs.logs import configure_logging
from jobs.outbound_http import OutboundClient
from jobs.redis.connection import connect, timeout_within_lease
from jobs.redis.health import log_server_problems
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage
from jobs.store.keeper.ownership import StorageOwnership
from jobs.store.transitions import JobTable
from jobs.tracing.start import start_traces
from worker import metrics
from worker.crash_points import watch_folder
from worker.health import ProcessHealth
from worker.keeper.deliverer import Deliverer
from worker.keeper.orphans import OrphanSweeper
from worker.keeper.periodic_task import PeriodicTask
from worker.keeper.preemption import PREEMPTION_SWEEP_S, PreemptionSweeper
from worker.keeper.recovery import RecoverySweeper
from worker.keeper.retention import RetentionSweeper
from worker.keeper.storage_guard import StorageGuard
from worker.keeper.uploads import UploadSweeper
from worker.keeper.windows import WindowSweeper
from worker.metered_storage import MeteredStorage
from worker.settings import KeeperSettings

log = structlog.get_logger()


MAX_RECOVERY_SWEEP_S = 300.0  # it takes milliseconds, and a few seconds beside a Redis that does not answer


def keeper_tasks(settings: KeeperSettings, store: JobTable, storage: Storage, stopped: Event) -> list[PeriodicTask]:
    """The tasks of a keeper, the recovery first. Those that delete objects run only in a storage that it owns."""
    retention = partial(RetentionSweeper(store, storage, settings).sweep, stopped)
    sweeps: dict[str, Callable[[], None]] = {
        "retention": retention,
        "uploads": UploadSweeper(store, storage).sweep,
        "windows": WindowSweeper(store, storage, settings).sweep,
        "orphans": OrphanSweeper(store, storage, settings).sweep_when_due,
    }
    if settings.preemption == "priority":
        preemption = [PeriodicTask("preemption", PreemptionSweeper(store).sweep, PREEMPTION_SWEEP_S)]
    else:
        preemption = []
    guard = StorageGuard(StorageOwnership(store, storage))
    deletions = [
        PeriodicTask(name, partial(guard.sweep, sweep), settings.retention_sweep_s) for name, sweep in sweeps.items()
    ]
    return [
        PeriodicTask("recovery", RecoverySweeper(store, settings).sweep, settings.sweep_s),
        PeriodicTask("ownership", guard.mark_early, settings.sweep_s),
        *preemption,
        *deletions,
    ]


def run_keeper(settings: KeeperSettings, signals: "SimpleQueue[int]", health: ProcessHealth) -> None:
    """Runs all tasks of the keeper until a signal."""
    url, timeout_s = settings.redis_url.get_secret_value(), timeout_within_lease(settings.lease_s)
    redis = connect(url, retries=2, timeout_s=timeout_s, prefix=settings.redis_prefix)
    store = JobTable(redis, lease_s=settings.lease_s)
    outbound = OutboundClient(allow_private=settings.webhook_allow_private, timeout_s=settings.webhook_timeout_s)
    deliverer = Deliverer(store, outbound, settings.secret_for("webhook"), settings.webhook_threads)
    stopped = Event()
    tasks = keeper_tasks(settings, store, MeteredStorage(open_storage(settings)), stopped)
    threads = [Thread(target=task.run, args=[stopped], name=task.name) for task in tasks]
    threads.append(Thread(target=deliverer.run, args=[stopped], name="deliverer"))
    for thread in threads:
        thread.start()
        health.watch_thread(thread)
    health.watch(lambda: "the recovery hangs" if tasks[0].running_s() > MAX_RECOVERY_SWEEP_S else None)
    health.started.set()
    log.info("keeper.started")
    log_server_problems(store.redis)
    signals.get()
    stopped.set()
    for thread in threads:
        thread.join()
    log.info("keeper.ended")


def main() -> int:
    """Runs a keeper until a signal; returns the exit code, 2 for wrong settings."""
    try:
        settings = KeeperSettings.read()
    except InvalidSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging(settings.log_format, settings.log_level, process="keeper")
    start_traces("keeper")
    watch_folder(settings.crash_points_dir)
    health = ProcessHealth()
    metrics.serve_metrics("keeper", settings.metrics_host, settings.keeper_metrics_port, health)
    signals: SimpleQueue[int] = SimpleQueue()  # safe in a signal handler
    signal.signal(signal.SIGTERM, lambda number, _: signals.put(number))
    signal.signal(signal.SIGINT, lambda number, _: signals.put(number))
    run_keeper(settings, signals, health)
    return 0


if __name__ == "__main__":
    sys.exit(main())
