"""The life of a worker: it loads its first model, announces all its models, and runs jobs until it is drained."""

import signal
import time
from typing import Any

import structlog

from easyanimate.provenance.marking import ProvenanceMarker
from jobs.errors import QueueUnavailable
from jobs.moderation import Moderator
from jobs.redis.connection import connect, timeout_within_lease
from jobs.redis.health import log_server_problems
from jobs.storage.factory import open_storage
from jobs.store.leases import WorkerJobs
from jobs.store.transitions import JobTable
from worker.attempt.attempt import WorkerContext
from worker.attempt.engine_process import EngineDied, EngineProcess
from worker.checkpoints.store import sweep_checkpoints
from worker.drain import Drain, retry_until_drained
from worker.health import ProcessHealth
from worker.metered_storage import MeteredStorage
from worker.models.served import ModelNotLoaded, ServedModels, read_served
from worker.protocol.messages import LoadModel, NotLoaded, Ready
from worker.settings import WorkerSettings
from worker.supervisor.announcer import Announcer
from worker.supervisor.deletion_cost import DeletionCost, own_deletion_cost
from worker.supervisor.directory import DirectoryThread
from worker.supervisor.spool import Spool
from worker.supervisor.supervisor import Supervisor, begin_shutdown, new_worker_name

log = structlog.get_logger()

REDIS_RETRIES = 2  # of one command; a worker then repeats the whole call until it is drained


def run_worker(settings: WorkerSettings, engine: EngineProcess, marker: ProvenanceMarker, health: ProcessHealth) -> int:
    """Returns the exit code: 0 after an orderly end, 1 if no model is left. Raises ModelNotLoaded."""
    drain = Drain(settings.drain_grace_s)
    signal.signal(signal.SIGTERM, lambda *_: begin_shutdown(drain))
    signal.signal(signal.SIGINT, lambda *_: begin_shutdown(drain))
    spool = Spool(settings.spool, new_worker_name())
    try:
        served = read_served(settings)
        is_loaded = _load_first(engine, settings, drain, served)
        return run_jobs(settings, engine, drain, spool, served, marker, health) if is_loaded else 0
    finally:
        engine.stop()
        spool.close()


def engine_for(settings: WorkerSettings) -> EngineProcess:
    """The engine of these settings, not yet started."""
    options = settings.device, settings.dtype, settings.log_format, settings.memory
    more: dict[str, Any] = {
        "room_bytes": settings.model_memory_bytes,
        "log_level": settings.log_level,
        "cpu_threads": settings.cpu_threads,
        "compile": settings.compile,
    }
    return EngineProcess(LoadModel(settings.model_folder, *options, **more))


def _load_first(engine: EngineProcess, settings: WorkerSettings, drain: Drain, served: ServedModels) -> bool:
    """Loads the first model that can be loaded and withdraws those before it. False if the worker drains meanwhile."""
    while True:
        model = next(iter(served.cards))
        try:
            return _load(engine, model, settings, drain)
        except ModelNotLoaded as error:
            if len(served.cards) == 1:
                raise
            engine.kill()
            served.withdraw(model, str(error))


def _load(engine: EngineProcess, model: str, settings: WorkerSettings, drain: Drain) -> bool:
    """Starts the engine and waits for its model. False if the worker drains meanwhile."""
    started = time.monotonic()
    engine.start(model)
    while not drain.has_begun:
        try:
            event = engine.poll(0.1)
        except EngineDied as error:
            raise ModelNotLoaded("the engine died during the load") from error
        if isinstance(event, Ready):
            return True
        if isinstance(event, NotLoaded):
            raise ModelNotLoaded(event.reason)
        if time.monotonic() - started > settings.load_timeout_s:
            raise ModelNotLoaded(f"the load exceeded {settings.load_timeout_s:g} s")
    return False


def run_jobs(
    settings: WorkerSettings,
    engine: EngineProcess,
    drain: Drain,
    spool: Spool,
    served: ServedModels,
    marker: ProvenanceMarker,
    health: ProcessHealth,
) -> int:
    """Announces the worker and runs jobs until the drain; returns the exit code. Any thread may call it."""
    url = settings.redis_url.get_secret_value()
    prefix, timeout_s = settings.redis_prefix, timeout_within_lease(settings.lease_s)
    redis = connect(url, retries=REDIS_RETRIES, timeout_s=timeout_s, prefix=prefix)
    store = WorkerJobs(JobTable(redis, lease_s=settings.renewed_lease_s))
    storage, moderator = MeteredStorage(open_storage(settings)), Moderator.from_settings(settings, redis)
    context = WorkerContext(settings, store, storage, engine, drain, served, marker, moderator)
    rq_redis = connect(url, retries=REDIS_RETRIES, prefix=prefix)
    try:
        supervisor = retry_until_drained(lambda: Supervisor(spool.worker, rq_redis, context, spool), drain)
    except QueueUnavailable:  # the worker was stopped while Redis was away
        return 0
    announcers: list[Announcer | DirectoryThread | DeletionCost] = [Announcer(supervisor), DirectoryThread(supervisor)]
    announcers += own_deletion_cost(supervisor)
    for announcer in announcers:
        announcer.start()
        health.watch(announcer.fault)
    health.watch(supervisor.fault)
    health.started.set()
    log_server_problems(redis)
    try:
        sweep_checkpoints(settings.checkpoints, store.table)  # of jobs that ended while no worker ran on this host
        supervisor.work()
    finally:
        for announcer in announcers:
            announcer.stop()
    log.info("worker.ended", worker=spool.worker)
    return 1 if supervisor.has_no_model else 0
