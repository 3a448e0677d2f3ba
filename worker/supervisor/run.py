"""One worker from start to end: load its first model, announce all, take jobs until told to stop."""

import signal
import time

import structlog

from jobs.queue.registry import Registry
from jobs.redis.connection import connect
from jobs.storage.factory import open_storage
from jobs.store.keeper.recovery import JobStore
from worker.attempt.attempt import WorkerContext
from worker.attempt.engine_process import EngineDied, EngineProcess
from worker.checkpoints.store import sweep
from worker.drain import Drain
from worker.models.served import ModelNotLoaded, ServedModels, read_served
from worker.protocol.messages import LoadModel, NotLoaded, Ready
from worker.settings import WorkerSettings
from worker.supervisor.announcer import Announcer
from worker.supervisor.spool import Spool
from worker.supervisor.supervisor import Supervisor, begin_shutdown, new_worker_name

log = structlog.get_logger()

PATIENT = 1000  # tries of one Redis command, seconds apart: nearly an hour
BRISK = 2


def run_worker(settings: WorkerSettings, engine: EngineProcess) -> int:
    """The exit code: 0 after an orderly end, 1 if no model was left on the way. Raises ModelNotLoaded."""
    drain = Drain(settings.drain_grace_s)
    signal.signal(signal.SIGTERM, lambda *_: begin_shutdown(drain))
    signal.signal(signal.SIGINT, lambda *_: begin_shutdown(drain))
    name = new_worker_name()
    spool = Spool(settings.spool, name)
    try:
        served = read_served(settings)
        is_loaded = _load_first(engine, settings, drain, served)
        return _take_jobs(settings, engine, drain, spool, served, name) if is_loaded else 0
    finally:
        engine.stop()
        spool.close()


def engine_for(settings: WorkerSettings) -> EngineProcess:
    """The engine of these settings, not yet started."""
    how = settings.device, settings.dtype, settings.log_format, settings.memory
    return EngineProcess(LoadModel(settings.model_folder, *how, room_bytes=settings.model_memory_bytes))


def _load_first(engine: EngineProcess, settings: WorkerSettings, drain: Drain, served: ServedModels) -> bool:
    """Have the first model that can be loaded; those before it are withdrawn. False if we were told to go meanwhile."""
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
    """Start the engine and wait for its model; False if the worker was told to go in the meantime."""
    started = time.monotonic()
    engine.start(model)
    while not drain.has_begun:
        try:
            answer = engine.poll(0.1)
        except EngineDied as error:
            raise ModelNotLoaded("the engine died while loading it") from error
        if isinstance(answer, Ready):
            return True
        if isinstance(answer, NotLoaded):
            raise ModelNotLoaded(answer.reason)
        if time.monotonic() - started > settings.load_timeout_s:
            raise ModelNotLoaded(f"it took longer than {settings.load_timeout_s:g} s")
    return False


def _take_jobs(
    settings: WorkerSettings, engine: EngineProcess, drain: Drain, spool: Spool, served: ServedModels, name: str
) -> int:
    url = settings.redis_url.get_secret_value()
    brisk = connect(url, retries=BRISK)
    store = JobStore(brisk, lease_s=settings.lease_s)
    context = WorkerContext(settings, store, open_storage(settings), engine, drain, served)
    supervisor = Supervisor(name, connect(url, retries=PATIENT), context, spool)
    announcer = Announcer(Registry(brisk), served, engine, name, settings.models_dir)
    announcer.start()
    try:
        sweep(settings.checkpoints, store)  # of jobs that ended while nobody was here to tidy up
        supervisor.work()
    finally:
        announcer.stop()
    log.info("worker.ended", worker=name)
    return 1 if supervisor.has_no_model else 0
